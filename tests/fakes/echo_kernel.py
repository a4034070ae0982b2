"""A kernel of a language that is not Python: it says a cell back. Run as `python echo_kernel.py -f CONNECTION_FILE`."""

from typing import Any, ClassVar

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class EchoKernel(Kernel):
    """`fail` fails, in a reply alone; everything else is echoed."""

    implementation = "echo"
    implementation_version = "1"
    banner = "echo"
    language_info: ClassVar[dict[str, Any]] = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}

    async def do_execute(self, code: str, silent: bool, *_rest: Any, **_more: Any) -> dict[str, Any]:
        """One cell."""
        if code == "fail":
            return {"status": "error", "ename": "Failed", "evalue": "as asked", "traceback": ["Failed: as asked"]}
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": code})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=EchoKernel)
