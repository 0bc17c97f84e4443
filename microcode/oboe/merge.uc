// Merging of partials, control's side: in each period the epoch changes, and the dirty lines of the copy that nobody
// changes any more go to the home, which adds them to the totals. The home sends its own to itself, so one context alone
// changes the totals. The program has the macros merge_states and apply_partial before this (oboe_runtime/merging.py).

#ifndef OBOE_MERGE_UC
#define OBOE_MERGE_UC

#include "epoch.uc"
#include "send.uc"
#include "timer.uc"

// Lines that were begun to be sent, and those added to the totals here: nothing is under way where the sums over all
// chips are equal.
#define LINES_BEGUN 0
#define LINES_APPLIED 1
.structure merge_counters element_bytes=4 count=2 align=4 access=add sharing=chip

#define PARTIAL_BYTES 104               // Ethernet header to longword 9, then a line
#define PARTIAL_DATA 40

// A context that does nothing else.
#macro merge_task()
.reg epoch old
    immed[epoch, 0]
period#:
    sleep_steps(MERGE_STEPS)
    alu[old, 1, AND, epoch]
    alu[epoch, epoch, +, 1]
.begin
.state_xfer now[1] merge_epoch
    alu[now[0], --, B, epoch]
    state_write[now, merge_epoch, 0, 0, 1]
.end
.begin
.state_xfer busy[1] merge_busy
busy#:
    state_read[busy, merge_busy, old, 0, 1]
    alu[--, --, B, busy[0]]
    bne[busy#]
.end
    merge_states(old)
    br[period#]
#endm

// Begin the message of a line: where its 16 longwords are to be written, at `place` + PARTIAL_DATA. At the home itself
// that is a buffer, else the copy of the next message of the channel.
//   out_place, out_handle  registers; the handle is 0 for a message
//   out_number   register
//   DOWN#        label to branch to if the home is down: the line stays where it is
//   cycles       20, and a get or read
#macro partial_begin(out_place, out_handle, out_number, DOWN)
.begin
.reg chip self
    alu[chip, --, B, @home]
    alu[self, --, B, @self]
    immed[out_number, 0]
    alu[--, self, XOR, chip]
    beq[own#]
    immed[out_handle, 0]
    channel_open(out_place, out_number, chip, DOWN)
    br[begun#]
own#:
    message_buffer(out_handle, out_place)
begun#:
.end
#endm

// Send it.
//   in_place, in_handle, in_number  registers, from partial_begin
//   in_line      register: state 31:24, line 23:0
//   cycles       120, reads, writes and a put
#macro partial_send(in_place, in_handle, in_number, in_line)
.begin
.reg chip zero part
    alu[chip, --, B, @home]
    immed[zero, 0]
    message_header(in_place, chip, in_number, MESSAGE_PARTIAL, (PARTIAL_BYTES - MESSAGE_BODY), zero, in_line)
    alu[--, --, B, in_handle]
    bne[own#]
    channel_close(in_place, in_number, chip)
    br[sent#]
own#:
.reg write $own[2]
    immed[part, PARTIAL_BYTES]
    alu_shf[$own[0], in_handle, OR, part, <<16]
    immed[$own[1], 0]
room#:
    br_!inp_state[scr_ring7_status, put#]
    pause(control_ring)
    br[room#]
put#:
    scratch[put, $own[0], (CONTROL_RING << 2), 0, 2], structure[control_ring], ctx_swap[put_done]
sent#:
.end
#endm

#endif
