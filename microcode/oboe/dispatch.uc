// What classify does for a packet of another chip: the header that makes a message of it, and the way there.

#ifndef OBOE_DISPATCH_UC
#define OBOE_DISPATCH_UC

#include "structures.uc"
#include "message.uc"

// Longwords 0 to 7 of a packet's prefix as the header of its DISPATCH message, and the port towards the chip. The context
// sleeps until they are in the buffer.
// Uses place, length (of the packet), bundle, entry, self, $$out and written of classify.
//   out_port     register
//   in_chip      register: the chip it goes to
//   DOWN#        label to branch to if the chip is down
//   cycles       26, a read and a write; where there is a control stage, 4 and a read more
#macro dispatch_prepare(out_port, in_chip, DOWN)
.begin
.reg part
#ifdef ENGINES_CONTROL
.begin
.state_xfer down[1] chips_down
    state_read[down, chips_down, 0, 0, 1]
    alu[part, --, B, down[0]]
    alu[--, in_chip, OR, 0]
    alu_shf[--, 1, AND, part, >>indirect]
    bne[DOWN]
.end
#endif
.state_xfer route[4] chip_routes
    state_read[route, chip_routes, in_chip, 0, 4]
    alu[out_port, --, B, route[0]]
    immed[part, 0x200, <<16]
    alu[$$out[0], --, B, part]
    alu[$$out[1], --, B, route[1]]
    alu[$$out[2], --, B, route[2]]
    immed[part, MESSAGE_TYPE, <<16]
    alu[$$out[3], --, B, part]
    immed[part, ((MESSAGE_VERSION << 12) | (MESSAGE_DISPATCH << 8)), <<16]
    alu[$$out[4], --, B, part]
    alu_shf[part, bundle, OR, in_chip, <<16]
    alu_shf[part, part, OR, self, <<24]
    alu[$$out[5], --, B, part]
    alu[part, length, +, (FRAME_OFFSET - MESSAGE_BODY)]
    alu_shf[part, part, OR, entry, <<16]
    alu[$$out[6], --, B, part]
    immed[$$out[7], 0]
    dram[write, $$out[0], place, 0, 4], structure[packet_buffers], sig_done[written]
    ctx_arb[written]
.end
#endm

// Put a packet on the transmit ring as a message: prefix included, so it begins 64 bytes earlier. put_done follows.
// Uses descriptor, $put and put_done of classify.
//   in_port      register
//   cycles       4, and a put
#macro dispatch_send(in_port)
.begin
.reg step
    immed[step, (PREFIX_BYTES - 1), <<16]
    immed_w0[step, (0x10000 - (1 << OFFSET_SHIFT))]
    alu[$put[0], descriptor, +, step]
    alu[$put[1], --, B, in_port]
    scratch[put, $put[0], (TX_RING << 2), 0, 2], structure[tx_ring], sig_done[put_done]
.end
#endm

#endif
