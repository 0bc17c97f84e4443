// UDP to port 1 sets: bytes 40 and 44 of the frame are the entry and the value. All others read the entry.

#macro service_new_flow()
#endm

#macro service_evict()
#endm

#macro service_packet()
.reg number value ports word2 word3
    packet_key(number, value, ports, word2)
    ld_field_w_clr[ports, 0011, ports]
    packet_read(number, value, word2, word3, 40)
    alu[--, ports, -, 1]
    bne[check#]
    pair_set(number, value)
    br[done#]
check#:
    pair_check(number, value)
    alu[--, --, B, value]
    beq[done#]
    immed[verdict, VERDICT_TORN]
done#:
#endm
