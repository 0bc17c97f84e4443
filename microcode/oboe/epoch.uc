// Epochs of the partials, the workers' side. docs/oboe.md, section 4.
//
// A packet is worked on in one epoch, whose parity says which copy of the partials it changes. merge_busy counts the
// packets under way in each; control merges a copy when its count is 0 and no new packet takes it. Control changes the
// epoch in between at any time: a context that finds another epoch behind its count than before takes the count back.

#ifndef OBOE_EPOCH_UC
#define OBOE_EPOCH_UC

#ifdef MERGING
.structure merge_epoch element_bytes=4 count=1 align=4 access=read,write sharing=chip
.structure merge_busy element_bytes=4 count=2 align=4 access=read,add sharing=chip

.reg merge_copy                         // 0 or 1, for the packet under way
#endif

// Begin a packet.
//   cycles       12, two reads and an add
#macro epoch_enter()
#ifdef MERGING
.reg now less
.state_xfer epoch[1] merge_epoch
    state_read[epoch, merge_epoch, 0, 0, 1]
again#:
    alu[merge_copy, 1, AND, epoch[0]]
    state_add[merge_busy, merge_copy, 0, 1]
    state_read[epoch, merge_epoch, 0, 0, 1]
    alu[now, 1, AND, epoch[0]]
    alu[--, now, XOR, merge_copy]
    beq[entered#]
    immed[less, -1]
    state_add[merge_busy, merge_copy, 0, less]
    br[again#]
entered#:
#endif
#endm

// End it.
//   cycles       4, and an add
#macro epoch_leave()
#ifdef MERGING
.reg less
    immed[less, -1]
    state_add[merge_busy, merge_copy, 0, less]
#endif
#endm

#endif
