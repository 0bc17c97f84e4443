// The reorder ring: a slot for every context of the workers, two longwords as on the transmit ring; 0 is empty.

#ifndef OBOE_REORDER_UC
#define OBOE_REORDER_UC

#define REORDER_SLOTS (ENGINES_WORKER * 8)
.structure reorder_ring element_bytes=8 count=REORDER_SLOTS align=8 access=read,write sharing=chip

#endif
