// Data structures that the programs of a chip share. Every program declares them in the same words, so that a
// placement sees each once. A `ring` is a scratch ring that the loader sets up; `prefill=N` puts 1..N into it.

#ifndef STRUCTURES_UC
#define STRUCTURES_UC

#include "buffers.uc"

// Scratch rings. A descriptor takes two longwords (lib/packet.uc). Rings 0..11 have a state input that says "nearly
// full".
#define WORK_RING 0                     // to worker m: ring m
#define MAX_WORKERS 6                   // one of the eight microengines receives, one transmits
#define TX_RING 6
#if (ENGINES_FORWARD < 1 || ENGINES_FORWARD > MAX_WORKERS)
#error "forward on ENGINES_FORWARD microengines: must be 1 to MAX_WORKERS"
#endif
.structure work_rings element_bytes=512 count=(ENGINES_FORWARD) align=512 access=ring ring=WORK_RING sharing=chip
.structure tx_ring element_bytes=512 count=1 align=512 access=ring ring=TX_RING sharing=chip

// Why frames were dropped: one counter a reason, then the events that do not drop a frame.
#define DROP_NOT_IPV4 0
#define DROP_BAD_HEADER 1
#define DROP_BAD_CHECKSUM 2
#define DROP_TTL_EXPIRED 3
#define DROP_NO_ROUTE 4
#define DROP_RX_ERROR 5                 // receive error, or longer than a buffer
#define COUNT_FLOW_TABLE_FULL 6         // the frame was forwarded all the same
.structure drop_counters element_bytes=4 count=7 access=add sharing=chip

#endif
