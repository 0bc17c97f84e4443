// The other side of transmit: puts minimum frames for its port on transmit's ring, as long as buffers and ring last.
// Contexts 0 to 7 serve ports 0 to 7.

#include "builtin:lib/structures.uc"
#include "builtin:lib/identity.uc"
#include "builtin:lib/packet.uc"

#define MINIMUM_BYTES 60                // without FCS

.reg engine context length
.reg read $handle
.reg write $frame[2]
.sig got, put_done
    identify(engine, context)
    immed[length, MINIMUM_BYTES]
fetch#:
    scratch[get, $handle, (FREE_RING << 2), 0, 1], structure[free_ring], ctx_swap[got]
    alu[--, --, B, $handle]
    beq[fetch#]
    alu_shf[$frame[0], $handle, OR, length, <<16]
    alu[$frame[1], --, B, context]
room#:
    br_!inp_state[scr_ring6_status, put#]
    pause(tx_ring)
    br[room#]
put#:
    scratch[put, $frame[0], (TX_RING << 2), 0, 2], structure[tx_ring], ctx_swap[put_done]
    br[fetch#]
