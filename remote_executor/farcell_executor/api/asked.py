"""What every handler is given: the request with who asks, and the executor."""

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency

from farcell_executor.executor import Executor
from farcell_executor.tokens import Identity

Asked = Request[Identity, Identity, State]
"""A request that passed the gate: its `user` is the `Identity` of its token."""

Here = NamedDependency[Executor]
"""The executor that is asked, injected under the name `executor`."""
