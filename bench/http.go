package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// httpConn is a lean HTTP/1.1 client on one kept-alive connection: it writes a
// request at once and reads just what GraphQL over HTTP needs, because what the
// client costs is taken from the server's cores. It is used by one goroutine.
type httpConn struct {
	conn   net.Conn
	reader *bufio.Reader
	head   []byte
	out    []byte
	body   []byte
}

// dial opens a connection that sends the token, which may be empty.
func dial(ctx context.Context, addr, token string) (*httpConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	head := "POST /graphql HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	return &httpConn{conn: conn, reader: bufio.NewReaderSize(conn, 16<<10), head: []byte(head + "Content-Length: ")}, nil
}

func (c *httpConn) close() { c.conn.Close() }

// answerLimit is how long an answer may take before the connection is given up.
const answerLimit = 30 * time.Second

// do sends a body and gives the answer's, which is valid until the next call.
// An answer that is not 200, or that has errors, is an error.
func (c *httpConn) do(body []byte) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return nil, err
	}
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	status, err := c.read()
	if err != nil {
		return nil, err
	}
	if status != "200" || bytes.Contains(c.body, []byte(`"errors":`)) {
		return nil, fmt.Errorf("answer %s: %.300s", status, c.body)
	}
	return c.body, nil
}

func (c *httpConn) read() (status string, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(line) < 12 {
		return "", fmt.Errorf("this is not HTTP: %q", line)
	}
	status = "200"
	if string(line[9:12]) != "200" {
		status = string(line[9:12])
	}
	length, chunked := -1, false
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return "", err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := header(line, "content-length: "); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return "", err
			}
		} else if value, ok := header(line, "transfer-encoding: "); ok {
			chunked = string(value) == "chunked"
		}
	}
	c.body = c.body[:0]
	switch {
	case chunked:
		return status, c.readChunks()
	case length < 0:
		return "", errors.New("the answer has no length")
	}
	return status, c.readFull(length)
}

// header gives the value of a line whose name is the given one, in small
// letters.
func header(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
		return nil, false
	}
	return line[len(name):], true
}

func (c *httpConn) readFull(n int) error {
	at := len(c.body)
	if cap(c.body) < at+n {
		c.body = append(make([]byte, 0, 2*(at+n)), c.body...)
	}
	c.body = c.body[:at+n]
	_, err := io.ReadFull(c.reader, c.body[at:])
	return err
}

func (c *httpConn) readChunks() error {
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return err
		}
		if err := c.readFull(int(n)); err != nil {
			return err
		}
		if _, err := c.reader.Discard(2); err != nil || n == 0 {
			return err
		}
	}
}

// request is the JSON of an operation.
func request(query string, variables map[string]any) []byte {
	data, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		panic(err) // strings and maps of them can be encoded
	}
	return data
}

// ask does one operation outside of a measurement and decodes its data.
func (c *httpConn) ask(query string, variables map[string]any, into any) error {
	body, err := c.do(request(query, variables))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, &struct{ Data any }{into})
}
