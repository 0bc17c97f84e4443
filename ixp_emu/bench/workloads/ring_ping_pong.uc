// Ring ping-pong: take a token from ring IN, hand it on through ring OUT, where another microengine takes it.

.reg token
.reg read $in
.reg write $out
.sig got put_done
take#:
    scratch[get, $in, (IN << 2), 0, 1], ctx_swap[got]
    alu[token, --, B, $in]
    beq[take#]
    alu[$out, --, B, token]
    scratch[put, $out, (OUT << 2), 0, 1], ctx_swap[put_done]
    br[take#]
