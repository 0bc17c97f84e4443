// Takes mpackets and frees their elements at once; the data stays where it is.

#include "builtin:lib/identity.uc"
#include "builtin:lib/media.uc"

.reg engine context freelist element done
.reg read $status[2]
.sig arrived
    identify(engine, context)
    freelist_entry(freelist, engine, context, $status[0], arrived)
    immed[done, MSF_RBUF_ELEMENT_DONE]
again#:
    msf[fast_wr, --, freelist, 0]
    ctx_arb[arrived]
    alu_shf[element, 0x7F, AND, $status[0], >>24]
    alu_shf[element, done, OR, element, <<16]
    br[again#], defer[1]
    msf[fast_wr, --, element, 0]
