package feed

import (
	"context"
	"time"

	"parley/internal/domain"
)

// accountStep is how many rows of an account one transaction deletes, and how many are read
// at a time.
const accountStep = 200

// deleteAccount deletes what an account published, liked and said, and what is between it and
// others. Whoever followed it is told, so that open streams go on without it.
func (s *Service) deleteAccount(ctx context.Context, account string) error {
	for _, step := range []func(context.Context, string) (int, error){
		s.deleteSomePosts, s.deleteSomeLikes, s.endSomeFollows, s.endSomeFollowers, s.deleteRows,
	} {
		for n := -1; n != 0; {
			err := s.store.Tx(ctx, func(ctx context.Context) (err error) {
				if n, err = step(ctx, account); err != nil || n == 0 {
					return err
				}
				return s.store.Erased(ctx)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) deleteSomePosts(ctx context.Context, account string) (int, error) {
	posts, err := s.oldestOf(ctx, account, accountStep)
	if err != nil {
		return 0, err
	}
	return len(posts), s.remove(ctx, posts...)
}

func (s *Service) deleteSomeLikes(ctx context.Context, account string) (int, error) {
	posts, err := s.texts(ctx, someLikes, account, accountStep)
	if err != nil {
		return 0, err
	}
	for _, post := range posts { // in the order of their ids, so that two don't wait for each other
		if err := s.countLikes(ctx, post, 0); err != nil { // locks the post
			return 0, err
		}
		by, err := s.dropLike(ctx, account, post)
		if err != nil {
			return 0, err
		}
		if err := s.countLikes(ctx, post, by); err != nil {
			return 0, err
		}
	}
	return len(posts), nil
}

func (s *Service) endSomeFollows(ctx context.Context, account string) (int, error) {
	others, err := s.texts(ctx, someFollows, account, accountStep)
	if err != nil {
		return 0, err
	}
	if len(others) == 0 {
		return 0, nil
	}
	if err := s.lockTimelines(ctx, account); err != nil {
		return 0, err
	}
	if _, err := s.lockAuthors(ctx, append([]string{account}, others...)...); err != nil {
		return 0, err
	}
	for _, other := range others {
		if err := s.unfollow(ctx, account, other); err != nil {
			return 0, err
		}
	}
	return len(others), nil
}

func (s *Service) endSomeFollowers(ctx context.Context, account string) (int, error) {
	others, err := s.texts(ctx, someFollowers, account, accountStep)
	if err != nil {
		return 0, err
	}
	if len(others) == 0 {
		return 0, nil
	}
	if err := s.lockTimelines(ctx, append([]string{account}, others...)...); err != nil {
		return 0, err
	}
	if _, err := s.lockAuthors(ctx, account); err != nil {
		return 0, err
	}
	for _, other := range others {
		if err := s.unfollow(ctx, other, account); err != nil {
			return 0, err
		}
	}
	return len(others), nil
}

type exportedPost struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	Content   string    `json:"content"`
	ImageURL  *string   `json:"imageUrl"`
	LikeCount int64     `json:"likeCount"`
	CreatedAt time.Time `json:"createdAt"`
}

type exportedTie struct {
	UserID    string    `json:"userId"`
	CreatedAt time.Time `json:"createdAt"`
}

type exportedLike struct {
	PostID    string    `json:"postId"`
	CreatedAt time.Time `json:"createdAt"`
}

type exportedReport struct {
	PostID    string    `json:"postId"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"createdAt"`
}

type exportedProfile struct {
	Handle      string `json:"handle"`
	DisplayName string `json:"displayName"`
}

type exportedMark struct {
	Until time.Time `json:"until"`
}

// exportAccount writes what an account published, liked and said, whom it follows and blocks,
// and how far it has seen its feed. Timelines are copies.
func (s *Service) exportAccount(ctx context.Context, account string, write domain.Write) error {
	for _, export := range []func(context.Context, string, domain.Write) error{s.exportPosts, s.exportTies, s.exportReports} {
		if err := export(ctx, account, write); err != nil {
			return err
		}
	}
	found, err := s.Profiles(ctx, []string{account})
	if err != nil {
		return err
	}
	if p := found[account]; p.Handle != nil {
		if err := write("Profile", exportedProfile{*p.Handle, *p.DisplayName}); err != nil {
			return err
		}
	}
	m, err := s.markOf(ctx, account)
	if err != nil || m.until == nil {
		return err
	}
	return write("FeedMark", exportedMark{*m.until})
}
