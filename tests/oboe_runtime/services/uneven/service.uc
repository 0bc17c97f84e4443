// The IPv4 payload begins with the ports; the longwords at bytes 40 and 44 of the frame are the packet's number in its
// flow and how many loops to wait: in each the context sleeps for an access.

#macro service_new_flow()
    begin(flow)
#endm

#macro service_evict()
#endm

#macro service_packet()
.reg number loops word2 word3
    packet_read(number, loops, word2, word3, 40)
wait#:
    alu[loops, loops, -, 1]
    bmi[waited#]
.reg ignored
    packet_ingress(ignored)
    br[wait#]
waited#:
    advance(flow, number)
#if (DROP_ODD)
    br_bclr[number, 0, even#]
    immed[verdict, VERDICT_ODD]
even#:
#endif
#endm
