// Bytes 40 and 44 of the frame: which mode, and what it becomes.

#macro service_new_flow()
    seen_begin(flow)
#endm

#macro service_evict()
#endm

#macro service_packet()
.reg number mode ports word2 word3
    seen_count(flow)
    packet_key(number, mode, ports, word2)
    ld_field_w_clr[ports, 0011, ports]
    packet_read(number, mode, word2, word3, 40)
    alu[--, ports, -, 1]
    bne[judge#]
    mode_set(number, mode)
    br[done#]
judge#:
    mode_of(number, mode)
    alu[--, --, B, mode]
    beq[done#]
    immed[verdict, VERDICT_FORBIDDEN]
done#:
#endm
