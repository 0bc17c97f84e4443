// Bundles of a chip that is down begin again elsewhere, empty, in their next epoch. docs/oboe.md, section 7.
//
// Every chip finds the same heir by itself: each bundle has a list of chips, and lives at the first that is not down.
// Its epoch is the number of those that were before. So it does not matter who notices first, and in which order.

#ifndef OBOE_RESTART_UC
#define OBOE_RESTART_UC

#include "structures.uc"
#include "message.uc"
#include "timer.uc"

// Eight chips of four bits each, the first in the lowest; the bundle's first chip where there are no more.
#define MOST_HEIRS 8
.structure bundle_heirs element_bytes=4 count=(1 << BUNDLE_BITS) align=8 access=read sharing=me
// The first slice of the flow table that no bundle has.
.structure free_slice element_bytes=4 count=1 align=4 access=read,write sharing=me

// The heir of a bundle.
//   out_chip     register
//   out_epoch    register
//   in_bundle    register
//   NONE#        label to branch to if all are down
//   cycles       13 for the first heir, and a read; 11 for each other
#macro bundle_heir(out_chip, out_epoch, in_bundle, NONE)
.begin
.reg list
.begin
.state_xfer heirs[1] bundle_heirs
    state_read[heirs, bundle_heirs, in_bundle, 0, 1]
    alu[list, --, B, heirs[0]]
.end
    immed[out_epoch, 0]
next#:
    alu[--, out_epoch, -, MOST_HEIRS]
    bhs[NONE]
    alu[out_epoch, out_epoch, +, 1]
    alu[out_chip, 0xF, AND, list]
    alu_shf[list, --, B, list, >>4]
    branch_down(out_chip, next#)
.end
#endm

// A slice for a bundle that begins here.
//   in_bundle    register
//   FULL#        label to branch to if there is none
//   cycles       6, a read and two writes
#macro bundle_slice(in_bundle, FULL)
.begin
.reg slice most
.begin
.state_xfer next[1] free_slice
    state_read[next, free_slice, 0, 0, 1]
    alu[slice, --, B, next[0]]
    immed[most, SLICES]
    alu[--, slice, -, most]
    bhs[FULL]
    alu[next[0], slice, +, 1]
    state_write[next, free_slice, 0, 0, 1]
.end
.state_xfer place[1] bundle_slices
    alu[place[0], --, B, slice]
    state_write[place, bundle_slices, in_bundle, 0, 1]
.end
#endm

// A context that does nothing else: when chips have gone down, all bundles are looked at.
#macro restart_task()
.reg known bundle entry chip epoch worker
    immed[known, 0]
    immed[worker, 0]
look#:
    sleep_steps(TICK_STEPS)
    alu[--, known, XOR, @down]
    beq[look#]
    alu[known, --, B, @down]
    immed[bundle, ((1 << BUNDLE_BITS) - 1)]
each#:
    read_entry(entry, bundle)
    entry_chip(chip, entry)
    branch_down(chip, lost#)
    br[next#]
lost#:
    bundle_heir(chip, epoch, bundle, next#)
    alu_shf[entry, epoch, OR, chip, <<16]
    alu[epoch, --, B, @self]
    alu[--, epoch, XOR, chip]
    bne[changed#]
    bundle_slice(bundle, full#)
#ifdef ORDER_PINNED
    alu_shf[entry, entry, OR, worker, <<24]
    alu[worker, worker, +, 1]
    alu[--, worker, -, ENGINES_WORKER]
    bne[dealt#]
    immed[worker, 0]
dealt#:
#endif
    state_add[oboe_counters, EVENT_BUNDLE_RESTARTED, 0, 1]
changed#:
.begin
.state_xfer line[1] bundle_table
    alu[line[0], --, B, entry]
    state_write[line, bundle_table, bundle, 0, 1]
.end
    br[next#]
full#:
    state_add[oboe_counters, EVENT_BUNDLE_NO_SLICE, 0, 1]
next#:
    alu[bundle, bundle, -, 1]
    bge[each#]
    br[look#]
#endm

#endif
