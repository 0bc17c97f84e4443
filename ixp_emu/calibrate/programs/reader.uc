// Every context reads and computes in turn, without end.
//
//   COMMAND   the read, with ctx_swap[done]
//   COMPUTE   instructions between two reads of a context, at least 5
//   FILLED    1: two of them stand in the shadow of the swap; 0: the swap's two slots are lost

.reg zero sum
.reg $data[8] $$data[16]
.sig done
    immed[zero, 0]
    immed[sum, 0]
again#:
#if (FILLED)
    COMMAND, defer[2]
    alu[sum, sum, +, 1]
    alu[sum, sum, +, 1]
#repeat (COMPUTE - 5)
    alu[sum, sum, +, 1]
#endloop
#else
    COMMAND
#repeat (COMPUTE - 3)
    alu[sum, sum, +, 1]
#endloop
#endif
    br[again#], defer[2]
    alu[sum, sum, +, 1]
    alu[sum, sum, +, 1]
