// Counts frames by length, in classes of 64 bytes, and passes them on to port 1 as they are.
//
// The eight contexts take descriptors from the microengine's own ring in turn and pass them on in turn.

#include "lib/structures.uc"
#include "lib/identity.uc"
#include "lib/ordered.uc"
#include "lib/packet.uc"

// Which worker a microengine is, by its number in the chip: the loader fills it.
.structure engine_index element_bytes=4 count=8 align=8 access=read sharing=chip

// Frames of 64 * class bytes and more.
.structure length_counters element_bytes=4 count=24 align=4 access=add sharing=chip

#define EGRESS_PORT 1
#define TX_RING_NEARLY_FULL scr_ring/**/TX_RING/**/_status

.reg engine context work_ring descriptor class
.reg read $work[2]
.reg write $send[2]
.sig got, put_done, turn_take, turn_send
.state_xfer index[1] engine_index

    identify(engine, context)
    state_read[index, engine_index, engine, 0, 1]
    alu[work_ring, index[0], +, WORK_RING]
    alu_shf[work_ring, --, B, work_ring, <<2]
    immed[$send[1], EGRESS_PORT]
    turn_begin(turn_take)
    turn_begin(turn_send)

next_packet#:
    ctx_arb[turn_take]
poll#:
    scratch[get, $work[0], work_ring, 0, 2], structure[work_rings], ctx_swap[got]
    alu[descriptor, --, B, $work[0]]
    beq[poll#]
    turn_pass(turn_take)

    alu_shf[class, --, B, descriptor, >>22]             // the length is in bits 31:16
    state_add[length_counters, class, 0, 1]

    ctx_arb[turn_send]
    alu[$send[0], --, B, descriptor]
send#:
    br_!inp_state[TX_RING_NEARLY_FULL, put#]
    pause(tx_ring)
    br[send#]
put#:
    scratch[put, $send[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
    br[next_packet#], defer[1]
    turn_pass(turn_send)
