"""Which ServingRuntime serves a model (spec: kserve-control-plane section 2.2).

One difference from KServe: a predictor without storage serves TrainedModels, so for it (and only for it) runtimes
with `multiModel: true` are candidates too, and come first.
"""

from collections.abc import Iterable

from mooring_api.v1alpha1 import SupportedModelFormat
from mooring_api.v1beta1 import ModelFormat
from mooring_operator.core.observed import Runtime
from mooring_operator.core.refusal import Refused

PROTOCOLS = ("v1", "v2", "grpc-v1", "grpc-v2")
"""In KServe's order of preference."""
RUNTIME_NOT_RECOGNIZED = "RuntimeNotRecognized"
RUNTIME_DISABLED = "RuntimeDisabled"
NO_SUPPORTING_RUNTIME = "NoSupportingRuntime"
_LISTED = 10


def lowest_protocol(runtime: Runtime) -> str | None:
    """The runtime's first protocol in the order of preference; None when it lists none (it speaks all)."""
    return min(runtime.spec.protocol_versions, key=PROTOCOLS.index, default=None)


def named_runtime(
    name: str, wanted: ModelFormat, protocol: str | None, namespace: str, runtimes: Iterable[Runtime]
) -> Runtime:
    """The runtime that the InferenceService names: the namespace's before the cluster's.

    Raises:
        Refused: it does not exist, is disabled, or does not serve the format or the protocol.
    """
    known = sorted(runtimes, key=lambda runtime: (runtime.cluster_scoped, runtime.meta.name))
    found = next((runtime for runtime in known if runtime.meta.name == name), None)
    if found is None:
        raise Refused(
            RUNTIME_NOT_RECOGNIZED,
            f"There is no ServingRuntime {name!r} in namespace {namespace} and no ClusterServingRuntime of that name. "
            f"{_listing(known)} Create it, or name one that exists in spec.predictor.model.runtime.",
        )
    kind = "ClusterServingRuntime" if found.cluster_scoped else "ServingRuntime"
    if found.spec.disabled:
        raise Refused(RUNTIME_DISABLED, f"{kind} {name} is disabled; set its spec.disabled to false or name another.")
    if found.spec.worker_spec is not None:
        raise Refused(NO_SUPPORTING_RUNTIME, f"{kind} {name} is multi-node, which is not supported; name another.")
    if not _speaks(found, protocol):
        spoken = ", ".join(found.spec.protocol_versions)
        raise Refused(NO_SUPPORTING_RUNTIME, f"{kind} {name} does not speak protocol {protocol}; it speaks {spoken}.")
    if not any(_matches(entry, wanted) for entry in found.spec.supported_model_formats):
        raise Refused(
            NO_SUPPORTING_RUNTIME,
            f"{kind} {name} does not serve model format {_text(wanted)}; it serves {_formats(found)}.",
        )
    return found


def selected_runtime(
    wanted: ModelFormat, protocol: str | None, namespace: str, runtimes: Iterable[Runtime], *, has_storage: bool
) -> Runtime:
    """The best of the runtimes that may be chosen for the format; v1 is asked for when the user names no protocol.

    Raises:
        Refused: none fits; the message lists those that exist.
    """
    known = tuple(runtimes)
    fitting = [
        runtime
        for runtime in known
        if not runtime.spec.disabled
        and runtime.spec.worker_spec is None
        and not (has_storage and runtime.spec.multi_model)
        and _speaks(runtime, protocol or "v1")
        and any(entry.auto_select and _matches(entry, wanted) for entry in runtime.spec.supported_model_formats)
    ]
    if not fitting:
        raise Refused(
            NO_SUPPORTING_RUNTIME,
            f"No runtime found for model format {_text(wanted)} and protocol {protocol or 'v1'} in namespace "
            f"{namespace} or in the cluster. {_listing(known)} Create one that lists the format with "
            "autoSelect: true, or name a runtime in spec.predictor.model.runtime.",
        )
    by_name = sorted(fitting, key=lambda runtime: runtime.meta.name)
    newest_first = sorted(by_name, key=lambda runtime: runtime.meta.creation_timestamp, reverse=True)
    return min(newest_first, key=lambda runtime: _preference(runtime, wanted, multi_first=not has_storage))


def _preference(runtime: Runtime, wanted: ModelFormat, *, multi_first: bool) -> tuple[bool, bool, float, int]:
    # KServe orders by protocol, newest, name, and then stably by the priority of the first entry of that format.
    # `min` keeps the earlier of equals: the newest, then the first name (`sorted` is stable, also in reverse).
    protocol = lowest_protocol(runtime)
    entries = [entry for entry in runtime.spec.supported_model_formats if entry.name == wanted.name]
    priority = entries[0].priority
    return (
        runtime.cluster_scoped,
        multi_first and not runtime.spec.multi_model,
        float("inf") if priority is None else -priority,
        len(PROTOCOLS) if protocol is None else PROTOCOLS.index(protocol),
    )


def _speaks(runtime: Runtime, protocol: str | None) -> bool:
    return protocol is None or not runtime.spec.protocol_versions or protocol in runtime.spec.protocol_versions


def _matches(entry: SupportedModelFormat, wanted: ModelFormat) -> bool:
    return entry.name == wanted.name and wanted.version in (None, entry.version)


def _text(wanted: ModelFormat) -> str:
    return wanted.name if wanted.version is None else f"{wanted.name} version {wanted.version}"


def _formats(runtime: Runtime) -> str:
    formats = runtime.spec.supported_model_formats
    return ", ".join(f.name if f.version is None else f"{f.name} {f.version}" for f in formats) or "no format"


def _listing(runtimes: Iterable[Runtime]) -> str:
    names = [
        f"{runtime.meta.name} ({_formats(runtime)}{'; disabled' if runtime.spec.disabled else ''})"
        for runtime in sorted(runtimes, key=lambda runtime: (runtime.cluster_scoped, runtime.meta.name))
    ]
    if not names:
        return "There are no runtimes at all."
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"There are: {', '.join(names[:_LISTED])}{more}."
