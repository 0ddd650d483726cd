"""Carries out what the files say, and tells people what happens: one line for each change, none for what stays."""

from collections.abc import Callable

from mooring_operator.local.admission import Refused, admit, title
from mooring_operator.local.cluster import DatedEvent
from mooring_operator.local.files import Edit
from mooring_operator.local.objects import Change, Objects


class Narrator:
    """Writes lines for a terminal; faults begin with `error:`."""

    def __init__(self, objects: Objects, say: Callable[[str], None]) -> None:
        self._objects = objects
        self._say = say
        self._crashes: dict[tuple[str, str], int] = {}
        objects.subscribe(self._tell_crash)

    def carry_out(self, edit: Edit) -> None:
        """Apply and delete as the files say; the last good version of what is wrong stays."""
        for note in edit.ignored:
            self._say(f"note: {note}")
        for fault in edit.faults:
            self._say(f"error: {fault}")
        for key in edit.delete:
            if self._objects.remove(key):
                self._say(f"{title(key)} deleted")
        for document in edit.apply:
            try:
                verb = admit(self._objects, document.body)
            except Refused as exc:
                self._say(f"error: {document.path}:{document.line} (document {document.number}): {exc}")
                continue
            if verb != "unchanged":
                self._say(f"{title(document.id)} {verb}")

    def tell_event(self, dated: DatedEvent) -> None:
        """An event of the core, on one line."""
        event = dated.event
        mark = "! " if event.type == "Warning" else "  "
        self._say(f"{mark}{event.ref.kind.lower()}/{event.ref.name} {event.reason}: {event.message}")

    def _tell_crash(self, change: Change) -> None:
        if change.id.kind != "Pod":
            return
        for status in (change.body.get("status") or {}).get("containerStatuses") or ():
            waiting, place = status["state"].get("waiting") or {}, (change.id.name, status["name"])
            if change.gone:
                self._crashes.pop(place, None)
            elif waiting.get("reason") == "CrashLoopBackOff" and self._crashes.get(place) != status["restartCount"]:
                self._crashes[place] = status["restartCount"]
                self._say(f"! pod/{change.id.name}: {waiting['message']}")
