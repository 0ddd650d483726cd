"""Write what is generated from types: the CRDs, the CRD chart's copies of them, the schema of the chart's `config`.

    python crds/generate.py            write the files
    python crds/generate.py --check    write nothing; name the stale files and exit 1

The types are in `mooring_api`; how they become schemas is `mooring_api.crd`. This tool only adds YAML and paths.
The chart's `config` values are the operator's `Settings`; the rest of its values.schema.json is written by hand.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from mooring_api import crd
from mooring_operator.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
VALUES_SCHEMA = ROOT / "charts" / "mooring" / "values.schema.json"
HEADER = "# Generated from crds/mooring_api by `make crds`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write equal parts out: kubectl's YAML has no anchors."""
        return True


def peering(kind: str, *, namespaced: bool) -> dict[str, Any]:
    """A peering resource of kopf, as its documentation defines it: operators write their keep-alives into status."""
    status = {"type": "object", crd.PRESERVE: True, "description": "Keep-alives of the operators, by identity."}
    schema = {
        "type": "object",
        "description": "Where operators with the same peering name see each other: the one with the highest priority "
        "works, the others stand by.",
        "properties": {"status": status},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    singular = kind.lower()
    names = {"kind": kind, "listKind": f"{kind}List", "plural": f"{singular}s", "singular": singular}
    return crd.definition("kopf.dev", names, namespaced, version)


def values_schema(current: str) -> str:
    """The chart's values.schema.json with the part about `config` made anew from the operator's settings."""
    document = json.loads(current)
    config = Settings.model_json_schema(by_alias=True)
    document["$defs"] = {"quantities": document["$defs"]["quantities"], **config.pop("$defs")}
    document["properties"]["config"] = config
    return json.dumps(document, indent=2) + "\n"


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    manifests = [crd.manifest(kind) for kind in crd.KINDS]
    manifests += [peering("ClusterKopfPeering", namespaced=False), peering("KopfPeering", namespaced=True)]
    files = {VALUES_SCHEMA: values_schema(VALUES_SCHEMA.read_text())}
    for manifest in manifests:
        spec = manifest["spec"]
        name = f"{spec['group']}_{spec['names']['plural']}.yaml"
        text = HEADER + yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
        files[ROOT / "crds" / name] = text
        files[ROOT / "charts" / "mooring-crds" / "files" / name] = text
    return files


def stale(files: dict[Path, str]) -> list[Path]:
    """The files whose text on disk is not the generated one."""
    return [path for path, text in files.items() if not path.exists() or path.read_text() != text]


def main() -> int:
    """Write the files, or with --check only compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    check = parser.parse_args().check
    files = outputs()
    outdated = stale(files)
    for path in outdated:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    if check and outdated:
        print("run `make crds` and commit the result", file=sys.stderr)
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
