package feedback

import (
	"context"
	"time"
)

// ExpireBeyond expires queries beyond a number, and nothing for its age.
func (s *Service) ExpireBeyond(ctx context.Context, most int) error {
	return s.expireBefore(ctx, time.Unix(0, 0).UTC(), most)
}
