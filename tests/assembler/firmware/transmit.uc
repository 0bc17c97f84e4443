/* Transmit, in the same dialect. */

#include "board.h"

#define TX_SEQUENCE	0x0060
#define TBUF_CONTROL	0x1800
#define TBUF_ELEMENTS	128
#define IN_FLIGHT_MOST	96

#if (TBUF_ELEMENTS & (TBUF_ELEMENTS - 1)) || IN_FLIGHT_MOST > TBUF_ELEMENTS
#error TBUF_ELEMENTS must be a power of two and hold IN_FLIGHT_MOST
#endif

.sig volatile sig1
.sig volatile sig2

.reg @sequence_before
.reg @in_flight
.reg @next_element

.reg @handle
.reg @start
.reg @length
.reg @channel

.reg zero

	immed[zero, 0]

.begin
	br!=ctx[0, tx_loop#]
.end

/* Wait until the transmit machine is idle. */
.begin
	.reg read $sequence
	.sig sequence_ready

loop_busy#:
	msf[read, $sequence, zero, TX_SEQUENCE, 1], ctx_swap[sequence_ready]
	alu_shf[--, --, b, $sequence, >>31]
	beq[loop_busy#]

	alu[@sequence_before, --, b, $sequence]
.end

	immed[@in_flight, 0]
	alu[@next_element, @sequence_before, and, (TBUF_ELEMENTS - 1)]
	immed[@handle, 0]

	local_csr_wr[SAME_ME_SIGNAL, (&sig1 << 3)]
	.set_sig sig1
	local_csr_wr[SAME_ME_SIGNAL, (&sig2 << 3)]
	.set_sig sig2

tx_loop#:
.begin
	.reg element, data, control, channel, size

	ctx_arb[sig1]

	alu[--, --, b, @handle]
	bne[have_packet#]

.begin
	.reg read $packet0 $packet1
	.xfer_order $packet0 $packet1
	.sig packet_ready

ring_empty#:
	scratch[get, $packet0, zero, (TX_RING << 2), 2], ctx_swap[packet_ready]
	alu[@handle, --, b, $packet0]
	beq[ring_empty#]
	alu[@length, --, b, $packet1]
	alu[@start, --, b, @handle]
	immed[@channel, (NUM_PORTS - 1)]
.end

have_packet#:
	alu[element, --, b, @next_element]
	alu[@next_element, element, +, 1]
	alu[data, --, b, @start]
	alu[channel, --, b, @channel]
	alu[size, --, b, @length]

	alu[--, 64, -, size]
	bhs[packet_end#]

	immed[size, 64]
	immed[control, 0]
	alu[@length, @length, -, size]
	br[size_known#], defer[1]
	alu[@start, @start, +, 64]

packet_end#:
	immed[@handle, 0]
	immed[control, 1, <<8]

size_known#:
	local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&sig1 << 3))]
	alu_shf[control, control, OR, channel]
	alu_shf[control, control, OR, size, <<24]

.begin
	.reg reference
	.sig filled

	alu_shf[reference, --, b, element, <<11]
	alu_shf[reference, reference, or, 1, <<18]
	alu_shf[--, reference, or, 1, <<4]
	dram[tbuf_wr, --, data, 0, max_8], indirect_ref, sig_done[filled]
	ctx_arb[filled], all
.end

	ctx_arb[sig2]
.begin
	.reg write $control0 $control1
	.xfer_order $control0 $control1
	.reg address
	.sig valid

	alu_shf[address, --, b, element, <<3]
	alu_shf[address, address, or, (TBUF_CONTROL >> 8), <<8]
	alu[$control0, --, b, control]
	immed[$control1, 0]
	msf[write, $control0, address, zero, 2], ctx_swap[valid], defer[1]
	nop
.end
	local_csr_wr[SAME_ME_SIGNAL, (0x80 | (&sig2 << 3))]
	ctx_arb[--], any
	br[tx_loop#]
.end
