"""`mooring`: services on this machine, without a cluster."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mooring_operator.local.client import Client, Failed, say

DATA_DIR = Path("~/.mooring")
Command = Callable[[argparse.Namespace, Mapping[str, str]], int]
_KINDS = ("isvc", "inferenceservice", "inferenceservices", "tm", "trainedmodel", "trainedmodels")
_MORE_KINDS = ("runtimes", "servingruntime", "servingruntimes", "pods", "pod", "po")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run a command; returns the exit status. What went wrong is on standard error."""
    arguments = parser().parse_args(argv)
    try:
        return _COMMANDS[arguments.command](arguments, os.environ if environ is None else environ)
    except Failed as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 1
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="mooring", description=__doc__)
    top = root.add_subparsers(required=True, metavar="COMMAND")
    demo = top.add_parser("demo", help="run the whole walk-through on this machine")
    demo.set_defaults(command="demo")
    local = top.add_parser("local", help="run and look at services on this machine")
    commands = local.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data-dir", type=_dir, default=_dir(str(DATA_DIR)), help=f"default {DATA_DIR}")
    scope = argparse.ArgumentParser(add_help=False)
    scope.add_argument("-n", "--namespace", default="default")
    _add_up(commands.add_parser("up", parents=[shared], help="run the services of manifest files until Ctrl-C"))

    get = commands.add_parser("get", parents=[shared, scope], help="list objects, as kubectl get does")
    get.add_argument("kind", choices=[*_KINDS, *_MORE_KINDS], metavar="isvc|tm|runtimes|pods")
    get.add_argument("name", nargs="?")
    get.add_argument("-o", "--output", choices=["table", "yaml", "json"], default="table")
    get.add_argument("-A", "--all-namespaces", action="store_true")

    logs = commands.add_parser("logs", parents=[shared, scope], help="print the output of a service's containers")
    logs.add_argument("name", metavar="ISVC", help="an InferenceService, or a pod")
    logs.add_argument("-c", "--container", help="agent, storage-initializer, or (default) kserve-container")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")

    delete = commands.add_parser("delete", parents=[shared, scope], help="delete until the object's file changes")
    delete.add_argument("kind", choices=_KINDS, metavar="isvc|tm")
    delete.add_argument("name")

    apply = commands.add_parser("apply", parents=[shared], help="apply files once, without watching them")
    apply.add_argument("-f", "--filename", type=Path, action="append", required=True, metavar="FILE|DIR")

    events = commands.add_parser("events", parents=[shared, scope], help="list what happened")
    events.add_argument("-A", "--all-namespaces", action="store_true")
    commands.add_parser("down", parents=[shared], help="stop `up` and all its processes")
    return root


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("files", nargs="+", type=Path, metavar="FILE|DIR", help="manifests; edit and save one to apply it")
    up.add_argument("--port", type=int, default=8080, help="of the proxy; default 8080")
    up.add_argument(
        "--image",
        type=_image,
        action="append",
        default=[],
        metavar="IMAGE=COMMAND",
        help="what to run for an image; {port}, {grpc_port}, {model_dir} and {python} are filled in",
    )
    up.add_argument("--config", type=Path, metavar="FILE", help="the operator's configuration (YAML), as in the chart")
    up.add_argument("-v", "--verbose", action="store_true", help="log each reconciled object too")


def _dir(text: str) -> Path:
    return Path(text).expanduser()


def _image(text: str) -> tuple[str, str]:
    image, equals, command = text.partition("=")
    if not (image and equals and command.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is not IMAGE=COMMAND, for example my/server:v1='python server.py'")
    return image, command


def _up(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from mooring_operator.local.start import up

    up(arguments, environ, say)
    return 0


def _demo(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from mooring_operator.local.demo import demo

    return demo(environ)


def _client(
    call: Callable[[Client, argparse.Namespace], None],
) -> Callable[[argparse.Namespace, Mapping[str, str]], int]:
    def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
        call(Client(arguments.data_dir), arguments)
        return 0

    return run


def _get(client: Client, arguments: argparse.Namespace) -> None:
    namespace = None if arguments.all_namespaces else arguments.namespace
    client.get(arguments.kind, arguments.name, namespace, arguments.output)


def _logs(client: Client, arguments: argparse.Namespace) -> None:
    client.logs(arguments.name, arguments.namespace, arguments.container, follow=arguments.follow)


_COMMANDS: Mapping[str, Command] = {
    "demo": _demo,
    "up": _up,
    "get": _client(_get),
    "logs": _client(_logs),
    "delete": _client(lambda client, a: client.delete(a.kind, a.name, a.namespace)),
    "apply": _client(lambda client, a: client.apply(a.filename)),
    "events": _client(lambda client, a: client.events(None if a.all_namespaces else a.namespace)),
    "down": _client(lambda client, a: client.down()),
}


if __name__ == "__main__":
    sys.exit(main())
