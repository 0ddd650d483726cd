"""`python runtime/mooring_runtime/grpc_api/generate.py`: compile `oip.proto` into the descriptor set `oip.binpb`.

As a file, since as a module (`-m`) its package would look for messages that are only about to be compiled.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def compile_protocol(target: Path) -> None:
    """Write the descriptor set of `oip.proto` to `target`.

    Raises:
        RuntimeError: the compiler refused it; it has said why on stderr.
    """
    from grpc_tools import protoc  # a development dependency, absent from the image

    arguments = ["protoc", f"--proto_path={FOLDER}", f"--descriptor_set_out={target}", "oip.proto"]
    if protoc.main(arguments) != 0:
        raise RuntimeError(f"protoc refused {FOLDER / 'oip.proto'}")


if __name__ == "__main__":
    compile_protocol(FOLDER / "oip.binpb")
    sys.stdout.write(f"wrote {FOLDER / 'oip.binpb'}\n")
