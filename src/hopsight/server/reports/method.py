"""How the numbers of a report came about, and what they do not say, for whoever was not there."""

from typing import Final

_TEXT: Final = """\
Each measurement (session) is one agent's look at one site, made at most once a minute: 10 probes, 1 s apart
(ICMP echo; TCP connections where ICMP is blocked, or where that was chosen), a TCP connection, and a trace
of the path. Agents that only watch a machine's own connections say what its kernel saw of them.

Loss is 100 x (sent - answered) / sent of a session's probes. A probe that was not answered within 1 s is
lost; one that could not be sent is not counted. Loss of many sessions is the mean of their losses, each
counting once.

Latency of a session is the mean round-trip time of its answered probes, jitter their population standard
deviation; both in ms. A session without any answer has loss, and neither of the two.

Percentiles are exact, by nearest rank: each is a value that was measured. p95 is the value that 95 of 100
sessions do not exceed.

Times are UTC by the clocks of the agents' machines, and a session counts where it began. Round-trip times
are from the kernel's time stamps where it gives them, else from a clock that is never set.

What was not measured is absent, never zero: a machine that was asleep or off leaves a gap, and a gap is no
outage. Sessions that had not reached the server when the report was made are not in it.

A verdict is the first segment of the way at fault by published rules: device, local network, VPN, proxy,
provider (to the first public router), destination (all behind it). It is about one session.

Traces show the way there only, of one flow. Loss in the table of routers is that of whole sessions to their
destinations, beside that of the sessions that went another way; it need not arise at that router. Routers
may answer for themselves slowly or not at all without holding up what passes through them.

Not claimed: that these agents are a fair sample of all users; why something failed; anything about times,
sites or ways that were not measured. The signature shows that this document has not been changed since it
was signed with that key. It does not show that the measurements are right, nor when it was signed: the time
of its making is the server's word.
"""
METHOD: Final = tuple(" ".join(each.split()) for each in _TEXT.split("\n\n"))
"""A paragraph each."""
