// What moves of bundles will need in memory, reserved: hold queues of frozen bundles, and the exception table. No program
// touches them yet. docs/oboe.md, section 2.

#ifndef OBOE_MOVES_UC
#define OBOE_MOVES_UC

#include "structures.uc"

#define HOLD_QUEUES 8                   // bundles that may be frozen at a time
#define HOLD_DESCRIPTORS 512            // packets that one of them may hold
#define EXCEPTIONS 64                   // flows outside their bundle: 16 buckets of 4, as in a slice of the flow table

// A hold queue as a Q_array descriptor: head, tail, count; then the bundle that is frozen.
.structure hold_queues element_bytes=16 count=HOLD_QUEUES align=16 access=read,write memory=sram0 sharing=chip

// In one channel of SRAM, as Q_array commands want it.
// The packets held: link to the next, the two longwords of its descriptor, ingress port.
.structure hold_packets element_bytes=16 count=(HOLD_QUEUES * HOLD_DESCRIPTORS) align=16 access=read,write memory=sram0 sharing=chip

// A flow outside its bundle: LIVE (31) and protocol (7:0); an entry as in the bundle table; addresses, ports; its slice of
// the flow table; hash longword 2; 0.
.structure exceptions element_bytes=32 count=EXCEPTIONS align=32 access=read,write sharing=chip

#endif
