/*
 * Receive, written as for Intel's uca: every instruction is one line (or one
 * line and its continuations), registers hide behind plain #defines.
 */

#include "board.h"

#if NUM_PORTS != 3
#error This code handles exactly three ports.
#endif
#ifndef RX_RING
#error board.h does not say RX_RING
#endif

#define BUFFER_HANDLE		*l$index0[0]
#define PACKET_LENGTH		*l$index0[1]
#define PORT_FLAGS		*l$index0[2]

#define RBUF_ELEMENT_DONE	0x0044
#define RX_THREAD_FREELIST_0	0x0030
#define MAX_LENGTH		(2 * 1024)

.sig volatile sig1
.sig volatile sig2
.sig volatile sig3

.sig mpacket_arrived
.reg freelist_word
.reg read $rsw0, $rsw1
.xfer_order $rsw0 $rsw1

.reg zero

/*
 * What this context puts on the list of free threads.
 */
.begin
	.reg me_and_ctx
	.set_sig mpacket_arrived

	immed[freelist_word, RX_THREAD_FREELIST_0]
	immed_w1[freelist_word, (&$rsw0 | (&mpacket_arrived << 12))]

	local_csr_rd[ACTIVE_CTX_STS]
	immed[me_and_ctx, 0]
	alu[me_and_ctx, me_and_ctx, and, 0x1f]
	alu_shf[freelist_word, freelist_word, or, me_and_ctx, <<(4 + 16)]
.end

	immed[zero, 0]

	br!=ctx[0, MPACKET_LOOP#]

/*
 * Context 0 clears the state of all channels ...
 */
.begin
	.reg at, index

	immed[index, 0]
clear_channel#:
	alu_shf[at, --, b, index, <<4]
	local_csr_wr[ACTIVE_LM_ADDR_0, at]
	nop					; the index is late
	nop
	nop
	immed[BUFFER_HANDLE, 0]
	immed[PACKET_LENGTH, 0]
	immed[PORT_FLAGS, 0]
	alu[index, index, +, 1]
	alu[--, index, and, 0x80]
	beq[clear_channel#]
.end

	// ... and lets the others go, one after another.
	local_csr_wr[SAME_ME_SIGNAL, (&sig1 << 3)]
	.set_sig sig1
	local_csr_wr[SAME_ME_SIGNAL, (&sig2 << 3)]
	.set_sig sig2
	local_csr_wr[SAME_ME_SIGNAL, (&sig3 << 3)]
	.set_sig sig3

MPACKET_LOOP#:
.begin
	ctx_arb[sig1]
	local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&sig1 << 3))]

	.set $rsw0 $rsw1
	msf[fast_wr, --, freelist_word, 0]
	.set_sig mpacket_arrived
	ctx_arb[mpacket_arrived]
.end

	alu_shf[--, 0x1b, and, $rsw0, >>8]
	bne[ABORT_STATUS#]

.begin
	.reg channel
	alu[channel, $rsw0, and, 0x1f]
	alu_shf[channel, --, b, channel, <<4]
	local_csr_wr[ACTIVE_LM_ADDR_0, channel]
.end

.begin
	ctx_arb[sig2]
	local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&sig2 << 3))]
.end

	alu[--, 1, and, $rsw0, >>15]
	beq[not_start#]

	/*
	 * Start of a packet: fetch a buffer.
	 */
.begin
	.reg read $handle
	.sig handle_ready

	br_inp_state[SCR_RING1_STATUS, no_buffer#]
	scratch[get, $handle, zero, (RX_RING << 2), 1],
		ctx_swap[handle_ready]
	alu[BUFFER_HANDLE, --, b, $handle]
	beq[no_buffer#]
	immed[PACKET_LENGTH, 0]
.end

not_start#:
	alu[--, --, b, BUFFER_HANDLE]
	beq[element_done#]

.begin
	.reg element, length, where, room
	.sig copied

	alu_shf[element, 0x7f, and, $rsw0, >>24]
	alu_shf[length, 0xff, and, $rsw0, >>16]
	alu[room, length, +, PACKET_LENGTH]
	alu_shf[--, --, b, room, >>11]
	bne[overflow#]

	.reg reference
	alu_shf[where, --, b, PACKET_LENGTH]
	alu[PACKET_LENGTH, --, b, room]
	alu_shf[reference, --, b, element, <<11]
	alu_shf[reference, reference, or, 1, <<18]
	alu_shf[--, reference, or, 1, <<4]
	dram[rbuf_rd, --, where, zero, max_16],
		indirect_ref,
		sig_done[copied]
	ctx_arb[copied]
.end
	br[element_done#]

overflow#:
	alu_shf[PORT_FLAGS, PORT_FLAGS, or, 1]

element_done#:
.begin
	.reg done
	alu_shf[done, 0x7f, and, $rsw0, >>24]
	alu_shf[done, --, b, done, <<16]
	msf[fast_wr, --, done, RBUF_ELEMENT_DONE]
.end

.begin
	.reg write $packet0 $packet1
	.xfer_order $packet0 $packet1
	.sig written

	alu[--, 1, and, $rsw0, >>14]
	beq[to_next#], defer[2]
	alu[$packet0, --, b, BUFFER_HANDLE]
	alu[$packet1, --, b, PACKET_LENGTH]
	scratch[put, $packet0, zero, (TX_RING << 2), 2], \
		ctx_swap[written]
	cap[fast_wr, 0, XSCALE_INT_A]
.end

to_next#:
.begin
	ctx_arb[sig3]
	local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&sig3 << 3))]
	br[MPACKET_LOOP#]
.end

no_buffer#:
	ctx_arb[voluntary]
	br[element_done#]

ABORT_STATUS#:
	halt
	ctx_arb[kill]
