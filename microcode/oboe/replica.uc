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

// Take note of the version that came; one that is not the next is counted as a gap.
//   in_state     register
//   in_version   register
//   cycles       5, a read and a write
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
next#:
.end
#endm

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
