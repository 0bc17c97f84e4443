// Messages that get lost on purpose: only in builds whose configuration has such faults. The host writes the order.

#ifndef OBOE_FAULTS_UC
#define OBOE_FAULTS_UC

#ifdef DROPPING
// How many messages, and of which type, this chip shall lose as they come.
.structure drop_order element_bytes=8 count=1 align=8 access=read,write sharing=chip
#endif

// Branch if a message of control is to be lost.
//   in_kind      register: longword 4
//   LOST#        label
//   cycles       none; in such builds 8, a read, and a write for a loss
#macro drop_as_ordered(in_kind, LOST)
#ifdef DROPPING
.begin
.reg type
.state_xfer order[2] drop_order
    state_read[order, drop_order, 0, 0, 2]
    alu_shf[type, 0xF, AND, in_kind, >>24]
    alu[type, order[1], XOR, type]
    bne[kept#]
    alu[type, order[0], -, 1]
    bmi[kept#]
    alu[order[0], --, B, type]
    state_write[order, drop_order, 0, 0, 1]
    br[LOST]
kept#:
.end
#endif
#endm

#endif
