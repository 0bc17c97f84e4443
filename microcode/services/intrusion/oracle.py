"""What intrusion detection must find, said independently of its microcode and of its table.

Every well-formed packet is passed on unchanged. The payloads of a flow, in the order of their arrival, each direction
for itself, are one text; a match may begin in one packet and end in a later one. An alert is one pattern that ends at
one byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from microcode.services.intrusion.rules import Rule, read_rules, tables
from microcode.services.packet import UDP, Packet, Tuple
from oboe_runtime.declaration import Declaration
from oboe_runtime.observed import Observed, differing_entries
from oboe_runtime.oracle import Arrival, Treatment

_NO_OPTIONS, _UPDATE_BYTES = 20, 10

__all__ = ["Detector", "IntrusionOracle", "open_oracle"]


class Detector:
    """Alerts of all packets shown, by a search for every pattern at every byte.

    Attributes:
        alerts: pattern number -> how often it was found.
        packets_with_alerts: packets in which at least one match ended.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._patterns = tuple(patterns)
        self._kept = max(map(len, self._patterns)) - 1
        self._tails: dict[Tuple, bytes] = {}
        self.alerts: Counter[int] = Counter()
        self.packets_with_alerts = 0

    def scan(self, packet: Packet) -> Counter[int]:
        """The alerts of a packet."""
        tail = self._tails.get(packet.flow, b"")
        text = tail + packet.payload
        found: Counter[int] = Counter()
        for number, pattern in enumerate(self._patterns):
            start = max(0, len(tail) - len(pattern) + 1)  # a match must end in this packet
            while (start := text.find(pattern, start)) >= 0:
                found[number] += 1
                start += 1
        self._tails[packet.flow] = text[max(0, len(text) - self._kept) :]
        self.alerts += found
        self.packets_with_alerts += bool(found)
        return found

    def forget(self, flow: Tuple) -> None:
        """The record of a flow is evicted or has expired: both directions begin anew."""
        for direction in (flow, flow.reversed()):
            self._tails.pop(direction, None)


class IntrusionOracle:
    """Detection behind the protocol of oracles; only its tables come from the compiler of patterns.

    Updates hold for the packets that arrive after them: where a pattern of theirs is found before they are everywhere,
    within the bound of the state, the chips may say otherwise.
    """

    def __init__(self, rules: Sequence[Rule], *, rule_words: int, alert_states: int, policy_port: int = 0) -> None:
        self._rules = tuple(rules)
        self._automaton, self._contents = tables(rules, rule_words=rule_words, alert_states=alert_states)
        self._policy = self._contents["policy"].copy()
        self._policy_port = policy_port
        self._updates: dict[int, dict[Tuple, int]] = {}
        self._changed: dict[int, bool] = {}  # pattern -> policy of the state in which it is the longest that ends
        self.detector = Detector([rule.content for rule in rules])

    def contents(self) -> Mapping[str, npt.NDArray[np.uint32]]:
        """The table, the bitmap of the root, the policy of the rules."""
        return self._contents

    def work(self, arrival: Arrival) -> Treatment:
        """Search a packet; it is dropped where a pattern of such a rule, or of a policy changed to that, ends in it."""
        packet = arrival.packet
        if self._policy_port and packet.flow.protocol == UDP and packet.flow.destination_port == self._policy_port:
            self._update(packet)
            return Treatment(arrival.frame, None)
        found = self.detector.scan(packet)
        blocked = any(self._changed.get(number, self._rules[number].drop) for number in found)
        return Treatment(arrival.frame, "blocked" if blocked else None)

    def _update(self, packet: Packet) -> None:
        if packet.header_bytes != _NO_OPTIONS or len(packet.payload) < _UPDATE_BYTES:
            return
        state, action = int.from_bytes(packet.payload[2:6]), int.from_bytes(packet.payload[6:10])
        if state < len(self._policy):
            self._policy[state] = action
            self._updates.setdefault(state, {})[packet.flow] = action
            if 0 < state <= len(self._automaton.ends):
                self._changed[self._automaton.ends[state - 1][0]] = action != 0

    def differences(self, observed: Observed) -> list[str]:
        """Every alert counted once, a state's count being one for each pattern that ends in it; and the policy."""
        return [*self._wrong_alerts(observed), *self._wrong_policy(observed)]

    def _wrong_policy(self, observed: Observed) -> list[str]:
        """Updates of one flow are done in order, so the last of some flow is what an entry holds."""
        if "policy" not in observed.entries:
            return []
        held, expected = observed.entries["policy"], self._policy.reshape(-1, 1).copy()
        for state, last in self._updates.items():
            if int(held[state, 0]) in last.values():
                expected[state] = held[state]
        return differing_entries("policy", held, expected)

    def _wrong_alerts(self, observed: Observed) -> list[str]:
        if "alerts" not in observed.entries:
            return []
        counted: Counter[int] = Counter()
        for state, ends in enumerate(self._automaton.ends, start=1):
            for number in ends:
                counted[number] += int(observed.entries["alerts"][state, 0])
        return [
            f'alerts of rule "{rule.name}": {counted[number]}, expected {self.detector.alerts[number]}'
            for number, rule in enumerate(self._rules)
            if counted[number] != self.detector.alerts[number]
        ]


def open_oracle(declaration: Declaration) -> IntrusionOracle:
    """The oracle with the rules and options in force.

    Raises:
        InputError: the rules cannot be read, or do not fit.
    """
    options = declaration.options
    return IntrusionOracle(
        read_rules(str(options["rules"])),
        rule_words=int(options["rule_words"]),
        alert_states=int(options["alert_states"]),
        policy_port=int(options["policy_port"]),
    )
