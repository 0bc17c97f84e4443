// Read-mostly states: the home pushes what an update has changed, replicas take it. docs/oboe.md, section 4.

#ifndef OBOE_REPLICA_UC
#define OBOE_REPLICA_UC

#include "structures.uc"
#include "send.uc"

// Version of each read-mostly state: at the home of the last update, elsewhere of the last one that came.
.structure replica_versions element_bytes=4 count=16 align=8 access=read,write sharing=chip

// Count an update.
//   out_version  register
//   STATE        number of the state
//   cycles       3, a read and a write
#macro next_version(out_version, STATE)
.begin
.state_xfer version[1] replica_versions
    state_read[version, replica_versions, STATE, 0, 1]
    alu[out_version, version[0], +, 1]
    alu[version[0], --, B, out_version]
    state_write[version, replica_versions, STATE, 0, 1]
.end
#endm

#ifdef RESYNC_FIRST
.reg @gaps                              // a bit for each state of which a version is missing here
#endif

// Take note of the version that came; one that is not the next is counted as a gap, and the state is asked for.
//   in_state     register
//   in_version   register
//   cycles       5, a read and a write; at a gap 5, and an add
#macro check_version(in_state, in_version)
.begin
.reg next
.state_xfer version[1] replica_versions
    state_read[version, replica_versions, in_state, 0, 1]
    alu[next, version[0], +, 1]
    alu[version[0], --, B, in_version]
    state_write[version, replica_versions, in_state, 0, 1]
    alu[--, next, XOR, in_version]
    beq[next#]
    state_add[oboe_counters, EVENT_REPLICA_GAP, 0, 1]
#ifdef RESYNC_FIRST
    note_gap(in_state)
#endif
next#:
.end
#endm

#ifdef RESYNC_FIRST
// A version of a state is missing.
//   in_state     register
//   cycles       4
#macro note_gap(in_state)
.begin
.reg bit
    immed[bit, 1]
    alu[--, in_state, OR, 0]
    alu_shf[bit, --, B, bit, <<indirect]
    alu[@gaps, bit, OR, @gaps]
.end
#endm

// Ask the home for a state of which a version is missing, if nothing is asked for now: a call of this context, which
// does not wait. Operation RESYNC_FIRST + state; the entry is the state, for whoever gives the call up.
//   cycles       3 if nothing is missing
#macro ask_for_gaps()
.begin
.reg caller number state bit chip sequence zero
    alu[--, --, B, @gaps]
    beq[done#]
    alu[caller, --, B, @own_caller]
    caller_number(number, caller)
    call_select(number)
    alu[--, --, B, *l$index0[0]]
    bne[done#]
    immed[zero, 0]
    immed[state, 0]
    alu[bit, --, B, @gaps]
first#:
    br_bset[bit, 0, found#]
    alu[state, state, +, 1]
    alu_shf[bit, --, B, bit, >>1]
    br[first#]
found#:
    immed[bit, 1]
    alu[--, state, OR, 0]
    alu_shf[bit, --, B, bit, <<indirect]
    alu[bit, bit, XOR, @gaps]
    alu[@gaps, --, B, bit]
    alu[number, state, +, RESYNC_FIRST]
    alu_shf[caller, caller, OR, number, <<16]
    call_note(sequence, caller, state, zero, zero, zero, zero)
    alu[chip, --, B, @home]
    message_send(chip, MESSAGE_CALL, caller, state, zero, zero, zero, zero, sequence, down#)
    br[done#]
down#:
    caller_number(number, caller)
    call_abandon(caller, number)
done#:
.end
#endm
#endif

#ifdef MERGING
#include "epoch.uc"

// The epoch now.
//   out_epoch    register
//   cycles       1, and a read
#macro read_epoch(out_epoch)
.begin
.state_xfer now[1] merge_epoch
    state_read[now, merge_epoch, 0, 0, 1]
    alu[out_epoch, --, B, now[0]]
.end
#endm

// Wait until no packet can be under way that began in an epoch or before: two epochs later.
//   out_epoch    register
//   in_stamp     register: the epoch
//   cycles       5, and a read, each time it looks
#macro wait_for_epoch(out_epoch, in_stamp)
.begin
.reg passed
look#:
    read_epoch(out_epoch)
    alu[passed, out_epoch, -, in_stamp]
    alu[--, passed, -, 2]
    blo[look#]
.end
#endm
#endif

// Send an entry to all working chips but this one.
//   in_of        register: state 31:24, entry 23:0
//   in_version   register
//   in_value0, in_value1, in_value2, in_value3  registers
//   cycles       9 and a message a chip
#macro push_to_replicas(in_of, in_version, in_value0, in_value1, in_value2, in_value3)
.begin
.reg chip left self zero
    immed[zero, 0]
    immed[chip, 0]
    immed[left, WORKING_CHIPS]
each#:
    br_bclr[left, 0, next#]
    alu[self, --, B, @self]
    alu[--, self, XOR, chip]
    beq[next#]
    message_send(chip, MESSAGE_REPLICA, in_of, in_version, in_value0, in_value1, in_value2, in_value3, zero, next#)
next#:
    alu[chip, chip, +, 1]
    alu_shf[left, --, B, left, >>1]
    bne[each#]
.end
#endm

#endif
