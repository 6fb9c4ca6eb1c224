package natsx

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Delivery is one message that a pull consumer handed out. Every answer to it is
// sent without waiting; one that gets lost means that the message comes again.
type Delivery struct {
	Subject string
	Data    []byte
	// Delivered counts the times that the message was handed out, this one
	// included.
	Delivered uint64
	// Pending is how many messages the consumer has left for others.
	Pending uint64

	reply string
	conn  *nats.Conn
}

func newDelivery(conn *nats.Conn, m *nats.Msg) (Delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Delivery{}, fmt.Errorf("message without JetStream's metadata: %w", err)
	}
	return Delivery{
		Subject: m.Subject, Data: m.Data, Delivered: meta.NumDelivered, Pending: meta.NumPending,
		reply: m.Reply, conn: conn,
	}, nil
}

// Ack says that the message is done with; a work queue forgets it.
func (d Delivery) Ack() error { return d.answer("+ACK") }

// InProgress asks for another AckWait.
func (d Delivery) InProgress() error { return d.answer("+WPI") }

// Nak gives the message back, to be handed out again after delay; 0 means at once.
func (d Delivery) Nak(delay time.Duration) error {
	if delay <= 0 {
		return d.answer("-NAK")
	}
	return d.answer(`-NAK {"delay": ` + strconv.FormatInt(delay.Nanoseconds(), 10) + `}`)
}

// Term refuses the message for good, with a reason for the server's advisory.
func (d Delivery) Term(reason string) error { return d.answer("+TERM " + reason) }

func (d Delivery) answer(words string) error {
	if err := d.conn.Publish(d.reply, []byte(words)); err != nil {
		return fmt.Errorf("answer to a message on %s: %w", d.Subject, err)
	}
	return nil
}
