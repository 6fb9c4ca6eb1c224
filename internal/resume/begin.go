package resume

import (
	"context"

	"github.com/google/uuid"

	"parley/internal/apperr"
	"parley/internal/auth"
	"parley/internal/event"
)

// Ask is what a client says about where its stream should begin.
type Ask struct {
	// After is a position, nil for none.
	After *event.Cursor
	// Key names the reader, nil for none.
	Key *string
	// Head is the end of the log.
	Head event.Cursor
	// FromHead tells that the stream begins at Head when nothing else is known, so
	// that this is the reader's first position. Otherwise nothing is kept until
	// something is confirmed: a stream that breaks before begins anew.
	FromHead bool
}

// Begin gives the position behind which the stream of a context begins: what
// connection_init says for the key, what was acknowledged for it, what the same
// operation of the session had received, what the client says it had last, and
// After, the first that is known. Otherwise it gives nil.
func (b *Book) Begin(ctx context.Context, v auth.Viewer, ask Ask) (*event.Cursor, error) {
	reader := From(ctx)
	p := position{owner: ownerOf(v)}
	switch {
	case ask.Key != nil:
		if err := checkKey(*ask.Key, "resumeKey"); err != nil {
			return nil, err
		}
		p.name = keyName(*ask.Key)
	case reader != nil && isUUID(reader.Operation):
		// Not by the session: reauthenticate goes on with another one.
		p.owner, p.name = v.ID, operationPrefix+reader.Operation
	}
	from, err := b.find(ctx, p, reader, ask)
	if err != nil || p.name == "" {
		return from, err
	}
	switch {
	case from != nil:
		if p.at, err = b.sound(ctx, *from, ask.Head); err != nil {
			return nil, err
		}
	case ask.FromHead:
		p.at = ask.Head
	}
	if from != nil || ask.FromHead {
		if _, err := b.save(ctx, p); err != nil {
			return nil, err
		}
	}
	if ask.Key == nil {
		reader.keep(b, p)
	}
	return from, nil
}

func isUUID(id string) bool {
	const length = 36 // the usual form only
	_, err := uuid.Parse(id)
	return err == nil && len(id) == length
}

// sound is the position to keep. One that the log does not have is kept as none of
// this log, so that whatever is confirmed next replaces it, and a reader that
// comes back before is told again that history is gone.
func (b *Book) sound(ctx context.Context, at, head event.Cursor) (event.Cursor, error) {
	if at.Epoch != head.Epoch {
		return event.Cursor{}, nil
	}
	position, err := b.log.Reach(ctx, head.Position, at.Position)
	if err != nil || at.Position > position {
		return event.Cursor{}, err
	}
	return at, nil
}

func (b *Book) find(ctx context.Context, p position, reader *Reader, ask Ask) (*event.Cursor, error) {
	if ask.Key != nil {
		at, known, err := askedFor(ctx, *ask.Key)
		if known || err != nil {
			return &at, err
		}
	}
	if p.name != "" {
		at, known, err := b.load(ctx, p)
		if known || err != nil {
			return &at, err
		}
		if ask.Key != nil {
			if err := b.checkRoom(ctx, p.owner, "resumeKey"); err != nil {
				return nil, err
			}
		}
	}
	if reader != nil && reader.Last != "" {
		at, err := event.ParseCursor(reader.Last, "Last-Event-ID")
		return &at, err
	}
	return ask.After, nil
}

type askedKey struct{}

// WithAsked gives a context in which streams find what connection_init says
// under resume: an object that gives a cursor for each resumeKey.
func WithAsked(ctx context.Context, resume any) context.Context {
	if resume == nil {
		return ctx
	}
	return context.WithValue(ctx, askedKey{}, resume)
}

func askedFor(ctx context.Context, key string) (at event.Cursor, known bool, err error) {
	all := ctx.Value(askedKey{})
	if all == nil {
		return at, false, nil
	}
	byKey, ok := all.(map[string]any)
	if !ok {
		return at, false, apperr.Argument("resume", "The resume of connection_init is an object with a cursor for each resumeKey.")
	}
	given := byKey[key]
	if given == nil {
		return at, false, nil
	}
	text, ok := given.(string)
	if !ok {
		return at, false, apperr.Argument("resume."+key, "A cursor is a text.")
	}
	at, err = event.ParseCursor(text, "resume", key)
	return at, err == nil, err
}
