package server

import (
	"context"

	"parley/internal/server/sse"
)

// OpenStream is openStream.
func (s *Server) OpenStream(ctx context.Context, conn *sse.Stream) (context.Context, error) {
	return s.openStream(ctx, conn)
}
