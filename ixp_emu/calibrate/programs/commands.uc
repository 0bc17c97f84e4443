// Commands without data and without signal, as fast as the command FIFO takes them.

.reg zero channel_1
    immed[zero, 0]
    alu_shf[channel_1, --, B, 1, <<30]
again#:
    scratch[incr, --, zero, 0]
    sram[incr, --, zero, 0]
    scratch[incr, --, zero, 0]
    sram[incr, --, channel_1, 0]
    br[again#], defer[2]
    scratch[incr, --, zero, 0]
    sram[incr, --, zero, 0]
