package fault

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy is a load balancer without any memory of clients: each connection to
// its one address goes to a random server that accepts it.
type proxy struct {
	URL string

	listener net.Listener
	servers  []string
	all      sync.WaitGroup

	mu       sync.Mutex
	links    map[*link]struct{}
	opened   int
	refusing bool
}

// newProxy starts a proxy for servers, which are URLs; it ends with the test.
func newProxy(t testing.TB, servers ...string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{URL: "http://" + listener.Addr().String(), listener: listener, links: map[*link]struct{}{}}
	for _, s := range servers {
		p.servers = append(p.servers, strings.TrimPrefix(s, "http://"))
	}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.cutAll(true)
		p.all.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.all.Go(func() { p.carry(client.(*net.TCPConn)) })
	}
}

// carry connects a client to a server and returns when the connection is over.
func (p *proxy) carry(client *net.TCPConn) {
	defer func() { _ = client.Close() }()
	if p.refuses() {
		return
	}
	server := p.dial()
	if server == nil {
		return
	}
	defer func() { _ = server.Close() }()
	l := &link{client: client, server: server, frozen: make(chan struct{}), closed: make(chan struct{})}
	p.mu.Lock()
	p.opened++
	l.number = p.opened
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	}()
	l.carry()
}

func (p *proxy) dial() *net.TCPConn {
	for _, i := range rand.Perm(len(p.servers)) {
		if server, err := net.DialTimeout("tcp", p.servers[i], 5*time.Second); err == nil {
			return server.(*net.TCPConn)
		}
	}
	return nil
}

// refuse makes the proxy close connections at once that come from now on.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = yes
}

func (p *proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusing
}

// lasting gives the open websockets, and the streams of server-sent events where
// asked for, the oldest first.
func (p *proxy) lasting(streams bool) []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*link
	for l := range p.links {
		if l.lasts(streams) {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b *link) int { return a.number - b.number })
	return all
}

// cutAll cuts every connection.
func (p *proxy) cutAll(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut(reset)
	}
}

// link is one connection through a proxy.
type link struct {
	number         int
	client, server *net.TCPConn

	mu sync.Mutex
	// socket tells that it is a websocket, stream that it is of server-sent events.
	socket, stream bool
	// frozen is closed when nothing is to go through any more, closed when the
	// connection is over.
	frozen, closed chan struct{}
	freezing, over sync.Once
}

func (l *link) lasts(streams bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.socket || streams && l.stream
}

// carry copies both ways until one side ends.
func (l *link) carry() {
	var both sync.WaitGroup
	for _, way := range []struct{ to, from *net.TCPConn }{{l.server, l.client}, {l.client, l.server}} {
		both.Go(func() {
			_, _ = io.Copy(gate{l, way.to}, way.from)
			select {
			case <-l.frozen: // a dead network says nothing to the other side
				<-l.closed
			default:
				l.cut(false)
			}
		})
	}
	both.Wait()
}

// cut ends the connection for both sides, by an orderly close or, when reset,
// by RST, with which bytes that are under way are lost.
func (l *link) cut(reset bool) {
	l.over.Do(func() {
		for _, side := range []*net.TCPConn{l.client, l.server} {
			if reset {
				_ = side.SetLinger(0)
			}
			_ = side.Close()
		}
		close(l.closed)
	})
}

// freeze lets nothing through from now on, and closes nothing.
func (l *link) freeze() { l.freezing.Do(func() { close(l.frozen) }) }

// gate writes to one side of a link; what comes after a freeze is swallowed.
type gate struct {
	link *link
	to   *net.TCPConn
}

func (g gate) Write(b []byte) (int, error) {
	if g.to == g.link.server {
		g.link.look(b)
	}
	select {
	case <-g.link.frozen:
		return len(b), nil
	default:
		return g.to.Write(b)
	}
}

// look notices what a request is for.
func (l *link) look(request []byte) {
	head := bytes.ToLower(request)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.socket = l.socket || bytes.Contains(head, []byte("\r\nupgrade: websocket"))
	l.stream = l.stream || bytes.Contains(head, []byte("\r\naccept: text/event-stream"))
}
