package feed

import (
	"context"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/store"
)

// voice is an author that ships with parley, with what it says.
type voice struct {
	id, handle, name string
	posts            []CreateInput
}

// voices have ids that no account gets.
var voices = []voice{
	{"user_0000000000000000000000NEWS", "parley", "parley", []CreateInput{
		{Title: "Welcome", Content: "This is your feed. Follow others, and what they publish appears here at once, on all your devices."},
		{Title: "Nothing is lost", Content: "Close the tab and come back: the feed says how many posts are new, and what lies between them and where you were."},
	}},
	{"user_0000000000000000000000W0RD", "word_of_the_day", "Word of the day", []CreateInput{
		{Title: "sobremesa", Content: "Spanish: the time that people stay at the table and talk after a meal."},
		{Title: "dépaysement", Content: "French: the feeling of being in another country than one's own."},
		{Title: "Feierabend", Content: "German: the end of the working day, and the evening that begins with it."},
	}},
	{"user_0000000000000000000000CATS", "cat_facts", "Cat facts", []CreateInput{
		{Title: "Whiskers", Content: "A cat's whiskers are about as wide as its body, so that it knows where it fits through."},
		{Title: "Naps", Content: "Cats sleep for 12 to 16 hours a day."},
	}},
}

// FillDemo adds the authors that ship with parley and what they say, those that were never
// added. What was deleted since stays away.
func (s *Service) FillDemo(ctx context.Context) error {
	ctx = auth.System(ctx, "feed.fill")
	for _, v := range voices {
		err := s.store.Tx(ctx, func(ctx context.Context) error {
			if _, err := s.lockAuthors(ctx, v.id); err != nil {
				return err
			}
			if known, err := s.known(ctx, v.id); err != nil || known {
				return err
			}
			// A person may have the handle: the voice goes by its name then.
			in := ProfileInput{Handle: v.handle, DisplayName: &v.name}
			if taken, err := s.taken(ctx, v.handle); err != nil {
				return err
			} else if taken {
				in.Handle += "_demo"
			}
			if err := s.saveProfile(ctx, v.id, in, true); err != nil {
				return err
			}
			for _, p := range v.posts {
				if _, err := s.publish(ctx, v.id, p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && !store.Duplicate(err) {
			return err
		}
	}
	return nil
}

// seed gives the account a first post, and lets it follow the authors that ship with parley.
func (s *Service) seed(ctx context.Context, _ string) error {
	if err := s.FillDemo(ctx); err != nil {
		return err
	}
	for _, v := range voices {
		if _, err := s.Follow(ctx, v.id); err != nil && !apperr.Is(err, apperr.Forbidden) { // it may have blocked one
			return err
		}
	}
	key := "seed: first post"
	_, err := s.Create(ctx, CreateInput{Title: "Hello", Content: "My first post.", IdempotencyKey: &key})
	if err != nil && !apperr.Is(err, apperr.NotFound) {
		return err
	}
	return nil
}
