// Idle polling: context 0 polls an empty ring as a worker without packets does; the other contexts wait for ever.

.reg token
.reg read $work[2]
.sig got never
    br!=ctx[0, sleep#]
poll#:
    scratch[get, $work[0], (RING << 2), 0, 2], ctx_swap[got]
    alu[token, --, B, $work[0]]
    beq[poll#]
    ctx_arb[bpt]                        // nobody puts anything
sleep#:
    ctx_arb[never]
    br[sleep#]
