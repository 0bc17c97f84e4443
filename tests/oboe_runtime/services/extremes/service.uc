// Bytes 40 and 44 of the frame: the packet's number, and its value.

#macro service_new_flow()
#endm

#macro service_evict()
#endm

#macro service_packet()
.reg number value word2 word3
    packet_read(number, value, word2, word3, 40)
    bits_note(number, value)
    least_note(number, value)
    greatest_note(number, value)
    greatest_of(1, word2)
    immed[word3, (LIMIT & 0xFFFF)]
    immed_w1[word3, ((LIMIT >> 16) & 0xFFFF)]
    alu[--, word3, -, word2]
    bhs[below#]
    immed[verdict, VERDICT_EXCEEDED]
below#:
#endm
