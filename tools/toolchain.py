"""Say what is missing before anything is installed: run by make with the interpreter that will own `.venv`.

Written in the subset of Python that old interpreters parse, because its purpose is to tell them that they are too old.
"""

import os
import platform
import subprocess
import sys
import sysconfig

SUPPORTED_MIN = (3, 11)
SUPPORTED_MAX = (3, 13)
PROBE = "#include <Python.h>\n#include <stdint.h>\nint main(void) { return 0; }\n"


def missing():
    """Return one sentence per thing that is missing, each with what to do about it; empty when all is there."""
    if not SUPPORTED_MIN <= sys.version_info[:2] <= SUPPORTED_MAX:
        return [
            "Python %s at %s is not supported, 3.11 to 3.13 is; install one or name it: make PYTHON=/path/to/python3.11"
            % (platform.python_version(), sys.executable)
        ]
    problems = []
    try:
        import ensurepip
        import venv
    except ImportError:
        problems.append("%s has no venv module; install it (Debian: apt-get install python3-venv)" % sys.executable)
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    include = sysconfig.get_paths()["include"]
    try:
        probe = subprocess.run(
            compiler + ["-std=c11", "-fsyntax-only", "-x", "c", "-I", include, "-"],
            input=PROBE,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        problems.append(
            "no C compiler: '%s' does not start (%s); install one (Debian: apt-get install gcc libc6-dev) or name "
            "yours with CC=" % (" ".join(compiler), error.strerror)
        )
    else:
        if probe.returncode != 0:
            problems.append(
                "'%s' cannot compile against Python's headers in %s (Debian: apt-get install libc6-dev python3-dev); "
                "it says:\n%s" % (" ".join(compiler), include, probe.stderr.strip())
            )
    return problems


if __name__ == "__main__":
    found = missing()
    for problem in found:
        sys.stderr.write("make: " + problem + "\n")
    sys.exit(1 if found else 0)
