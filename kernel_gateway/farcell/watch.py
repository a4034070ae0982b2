"""Following one run to its end: its output to the screen, its values kept, the stop button obeyed."""

import os
import time
from collections.abc import Callable

import msgspec

from farcell import follow
from farcell.backlog import Backlog
from farcell.bounds import Bounds, limits_in
from farcell.failures import FarInterrupt, is_shown
from farcell.inputs import Inputs, Question
from farcell.parties import Comms, Following, OutputScreen, Steering
from farcell.presses import Presses
from farcell.seen import Seen
from farcell.status import Line, Mark, StatusLine, end_line, progress_line, seconds_text
from farcell.stopping import Stopping
from farcell_protocol.errors import FarcellError
from farcell_protocol.frames import Elided, End, Frame, Message, ValueBack
from farcell_protocol.messages.api import RunView

_POLL_S = 0.1
"""How soon a press of the stop button is noticed at the latest; see `Presses`."""

_LEAVING_S = 0.2
"""Whoever shuts a kernel down interrupts it first, and says so only then: how long after a press that may come."""

_ASKING_POLL_S = 0.01
"""The same for an answer of the user's."""


class Watch:
    """One run being watched; `to_the_end` is all there is to call."""

    def __init__(
        self,
        follower: Following,
        client: Steering,
        screen: OutputScreen,
        on_view: Callable[[RunView], object],
        clock: Callable[[], float] = time.monotonic,
        comms: Comms | None = None,
        leaves: Callable[[], bool] | None = None,
    ) -> None:
        self._comms = comms
        self._leaves = leaves
        self._follower = follower
        self._screen = screen
        self._on_view = on_view
        self._clock = clock
        self._line = StatusLine(screen, clock)
        self._since = self._born = clock()
        self._down_since: float | None = None
        self._down_why = ""
        self._stopping = Stopping(client, follower.run)
        self._seen = Seen(follower.run)
        self._backlog = Backlog(clock)
        self._bounds = Bounds(follower.run, clock, limits_in(os.environ))
        self._last = 0
        self._inputs = Inputs(self._ask, lambda reply: client.tell(follower.run, reply), self._say_it_waits)

    def to_the_end(self) -> Seen:
        """Show everything until the run has ended.

        Raises:
            FarInterrupt: the stop button was pressed a third time, or the kernel is being shut down; the run goes on.
            FarcellError: the executor refused.
        """
        seen = self._seen
        try:
            with Presses() as presses:
                while not (seen.view is not None and seen.view.state == "ended"):
                    self._take(self._next(presses))
                    if presses.count > seen.presses:
                        self._inputs.stop()
                        self._pressed(presses.count)
                    self._catch_up()
                    if not self._line.finished:
                        self._line.tick(self._now_says())
        except FarcellError as err:
            self._line.finish(Line(self._parting(err), "bad"))
            raise
        finally:
            self._inputs.stop()
        for message in self._bounds.rest():
            self._show_now(message)
        left_out = self._backlog.note(seen.run)
        if left_out is not None:
            self._screen.show(left_out)
        self._finish_line()
        return seen

    def _catch_up(self) -> None:
        """What was said later by others than the run may follow only when all is seen that it had said before."""
        view = self._seen.view
        caught_up = view is not None and self._last >= view.frames
        self._inputs.look(caught_up=caught_up)
        if caught_up and self._comms is not None:
            self._comms.caught_up()

    def _next(self, presses: Presses) -> follow.Event | None:
        since = self._clock()
        try:
            return self._follower.next(_ASKING_POLL_S if self._inputs.waiting else _POLL_S)
        except KeyboardInterrupt:  # not in the main thread, where `Presses` could not take it
            presses.count += 1
            return None
        finally:
            self._backlog.waited(self._clock() - since)

    def _take(self, event: follow.Event | None) -> None:
        match event:
            case follow.Changed(view=view):
                self._see(view)
            case follow.Batch(first=first, frames=frames):
                self._take_frames(first, frames)
                self._leave_at_a_good_end()
            case follow.LinkDown(why=why):
                self._down_since, self._down_why = self._clock(), why
            case follow.LinkUp():
                self._down_since = None
                if self._stopping.trouble:
                    self._say_stop()

    def _see(self, view: RunView) -> None:
        if self._seen.view is None or view.state != self._seen.view.state:
            self._since = self._clock()
        self._seen.view = view
        self._on_view(view)
        if self._comms is not None:
            self._comms.see(view)

    def _leave_at_a_good_end(self) -> None:
        """A good end cannot be changed by anybody, so its frame is word enough: the executor's comes a moment later.

        Its time is on the executor's clock, like that of the start."""
        end, view = self._seen.end, self._seen.view
        if end is None or end.outcome != "ok" or view is None or view.started is None or view.state == "ended":
            return
        self._follower.leave_the_rest()
        ended = view.started + (self._clock() - self._since)
        self._see(msgspec.structs.replace(view, state="ended", outcome="ok", ended=ended))

    def _take_frames(self, first: int, frames: list[Frame]) -> None:
        self._last = first + len(frames) - 1
        if frames and isinstance(frames[-1], End):
            self._seen.end = frames[-1]
        for number, frame in enumerate(frames, first):
            self._inputs.saw(number, frame)
            match frame:
                case Message(msg_type="input_request"):
                    continue
                case Message(msg_type="comm_open" | "comm_msg" | "comm_close"):
                    self._say_of_widget(frame)
                case Message(msg_type="error"):
                    self._show_error()
                    self._seen.error, self._seen.error_is_shown = frame, is_shown(frame)
                case Message():
                    self._show_error()
                    self._show(frame)
                case End(outcome="ok"):
                    self._show_error()
                case ValueBack():
                    self._seen.values.append(frame)
                case Elided(size_bytes=size):
                    for note in self._bounds.left_out(size):
                        self._show_now(note)

    def _show_error(self) -> None:
        """Show the error that was kept back: it is not what the cell ends with, or not the last thing it says."""
        if self._seen.error is not None and not self._seen.error_is_shown:
            self._seen.error_is_shown = True
            self._show(self._seen.error)

    def _say_of_widget(self, message: Message) -> None:
        if self._comms is not None:
            self._comms.saw(message)
        self._show_now(message)

    def _ask(self, prompt: str, password: bool) -> Question | None:
        self._line.reveal(self._now_says())
        return self._screen.ask(prompt, password)

    def _say_it_waits(self) -> None:
        text = f"run {self._seen.run} waits for input; press stop, or attach from a notebook that can answer\n"
        self._show(Message("stream", {"name": "stderr", "text": text}))

    def _show(self, message: Message) -> None:
        if message.msg_type != "error" and self._backlog.leaves_out(message):
            return
        for shown in self._bounds.take(message):
            self._show_now(shown)

    def _show_now(self, message: Message) -> None:
        if self._seen.end is not None and self._seen.presses == 0:
            self._finish_line()  # all of it came at once: the line need not be drawn twice
        else:
            self._line.reveal(self._now_says())
        self._screen.show(message)

    def _now_says(self) -> Line:
        now = self._clock()
        if self._down_since is not None:
            gone = seconds_text(now - self._down_since)
            return Line(f"link down ({self._down_why}); the run goes on, its output will follow · {gone}", "bad")
        if self._seen.presses == 1:
            text = "interrupting…; press again to stop the session's worker (variables are lost)"
            return Line(text + self._stopping.trouble)
        if self._seen.presses > 1:
            return Line("stopping the worker…; press again to leave the run to itself" + self._stopping.trouble, "bad")
        return progress_line(self._seen.view, now - self._since)

    def _pressed(self, count: int) -> None:
        self._seen.presses = count
        if count > 2 or self._is_leaving():
            self._follower.close()
            text = f"left behind: run {self._seen.run} · %gpu attach shows it again"
            self._line.finish(Line(text, "bad", Mark(self._seen.run, "left")))
            raise FarInterrupt(f"run {self._seen.run} was left to itself; %gpu attach {self._seen.run} shows it again")
        self._backlog.pressed()
        self._say_stop()

    def _is_leaving(self) -> bool:
        """Whether nobody has pressed stop: the kernel is being restarted or shut down, and the run is to go on."""
        if self._leaves is None:
            return False
        end = time.monotonic() + _LEAVING_S
        while not self._leaves():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def _say_stop(self) -> None:
        self._stopping.say(self._seen.presses)
        self._line.reveal(self._now_says())

    def _parting(self, err: FarcellError) -> str:
        """What the line says where the executor has nothing more for us: it never had the run, or has it still."""
        run = self._seen.run
        if self._seen.view is None:
            return f"refused: {err.code}"
        return f"no longer followed: {err.code} · run {run} · %gpu attach {run} shows it again"

    def _finish_line(self) -> None:
        seen, view = self._seen, self._seen.view
        seconds = self._clock() - self._born
        if view is not None and view.ended is not None and view.started is not None:
            seconds = view.ended - view.started
        self._line.finish(end_line(seen.run, view, seen.outcome or "ended", seconds, seen.reason))
