package lasting

import "net"

// WriteChunk is how many bytes may share one write deadline, so that a slow peer
// which takes a long message bit by bit is not taken for a stuck one.
const WriteChunk = 16 << 10

// TCP gives the TCP connection below another one, also below TLS; nil if there is
// none.
func TCP(conn net.Conn) *net.TCPConn {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// Abort closes a connection and throws away what the kernel has not sent: a peer
// that reads nothing would hold the send buffer for minutes.
func Abort(conn net.Conn) {
	if tcp := TCP(conn); tcp != nil {
		_ = tcp.SetLinger(0)
		_ = tcp.Close() // before TLS, whose goodbye would block
	}
	_ = conn.Close()
}
