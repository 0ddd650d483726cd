import subprocess
import sys

from mooring_runtime.lanes.cpu_limit import cpu_share
from mooring_runtime.workers.supervisor import worker_environ


def test_libraries_get_a_worker_s_share_of_the_cpus_unless_the_user_gives_another() -> None:
    assert worker_environ({"A": "b"}, 2) == {"A": "b", "OMP_NUM_THREADS": str(cpu_share(2))}
    assert worker_environ({"OMP_NUM_THREADS": "7"}, 2) == {"OMP_NUM_THREADS": "7"}


def test_a_worker_is_started_by_the_interpreter_s_own_options() -> None:
    program = "import sys; from mooring_runtime.workers.supervisor import own_command; print(own_command()[1:])"
    command = ["-X", "utf8", "-c", program, "--flag"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(command)
