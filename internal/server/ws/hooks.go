package ws

import "parley/internal/server/lasting"

// Hooks are told what happens. A socket is Opened before it has authenticated,
// and Closed with the close code that was sent or received: 1006 when the
// connection was lost, 1005 when the peer gave none, 1013 after an Overflow.
type Hooks = lasting.Hooks[*Conn, int]
