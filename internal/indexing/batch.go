package indexing

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"parley/ent/gen/searchindex"
	"parley/internal/job"
	"parley/internal/jobspec"
	"parley/internal/store"
)

// owner is whose the jobs are: nobody's account.
const owner = "system"

// frame is room in a payload for what is neither text nor picture.
const frame = 4 << 10

// maxTries is how often an object is sent that got no result.
const maxTries = 4

// batch is what one job is to embed.
type batch struct {
	index *Index
	// most is how many items it takes.
	most            int
	texts, pictures []want
	work            jobspec.Embed
	bytes           int
	// outcomes are of what could not be sent.
	outcomes []outcome
}

// newBatch makes a batch for what was tried so often: each time with fewer neighbours, so
// that one item on which workers fail does not cost them their vectors.
func newBatch(index *Index, tries int) *batch {
	most := min(jobspec.MaxEmbedItems, max(1, jobspec.MaxEmbedValues/index.Dimensions))
	return &batch{index: index, most: max(1, most>>(4*tries)), work: jobspec.Embed{Model: index.Digest}, bytes: frame}
}

func (b *batch) len() int { return len(b.texts) + len(b.pictures) }

// content is what a want puts into a payload, and how many bytes it takes there.
type content struct {
	text    string
	picture []byte
	bytes   int
}

// read gives the content of a want. An error that is no unreadable may pass.
func (w want) read(ctx context.Context) (content, error) {
	if w.side == Words {
		text := cut(w.item.Text)
		escaped, err := json.Marshal(text)
		return content{text: text, bytes: len(escaped) + 1}, err
	}
	file, err := w.item.Picture(ctx)
	if err != nil {
		return content{}, fmt.Errorf("read the picture of %s: %w", w.object, err)
	}
	if len(file) == 0 {
		return content{}, unreadable("The picture is empty.")
	}
	if file, err = Shrink(file); err != nil {
		return content{}, err
	}
	return content{picture: file, bytes: base64.StdEncoding.EncodedLen(len(file)) + 3}, nil
}

// cut gives as much of a text as one may have: whole characters, and what is none replaced.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= jobspec.MaxEmbedText {
		return text
	}
	end := jobspec.MaxEmbedText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// fits tells whether there is room for a content.
func (b *batch) fits(c content) bool {
	return b.len() < b.most && b.bytes+c.bytes <= jobspec.MaxEmbedPayload
}

func (b *batch) add(w want, c content) {
	b.bytes += c.bytes
	if w.side == Words {
		b.texts, b.work.Texts = append(b.texts, w), append(b.work.Texts, c.text)
	} else {
		b.pictures, b.work.Pictures = append(b.pictures, w), append(b.work.Pictures, c.picture)
	}
}

// fail notes that a want could not be read.
func (b *batch) fail(s *Service, w want, err error) {
	o := outcome{row: row{
		index: b.index.ID, source: w.source, object: w.object, side: w.side, tries: w.tries, jobVersion: w.version, jobContent: w.content,
	}}
	var words unreadable
	if errors.As(err, &words) {
		o.failure = string(words)
	} else {
		slog.Warn("what is to be embedded could not be read", "object", w.object, "side", w.side, "error", err)
		o = s.tryAgain(o, "It could not be read.")
	}
	b.outcomes = append(b.outcomes, o)
}

// tryAgain gives a failure another try, unless there were enough.
func (s *Service) tryAgain(o outcome, failure string) outcome {
	o.failure = failure
	if o.tries++; o.tries < maxTries {
		o.again = store.Now().Add(s.Retry << (2 * (o.tries - 1))).Truncate(time.Microsecond)
	}
	return o
}

// send leaves a batch to the workers, and writes down what can't be sent. Of an index that
// is gone nothing is left.
func (s *Service) send(ctx context.Context, b *batch) error {
	wants := append(b.texts, b.pictures...)
	for i := range wants {
		wants[i].ordinal = i
	}
	payload, err := json.Marshal(b.work)
	if err != nil {
		return fmt.Errorf("encode what is to be embedded: %w", err)
	}
	return s.store.Tx(ctx, func(ctx context.Context) error {
		q := store.ForUpdate(s.store, s.store.Client(ctx).SearchIndex.Query().Where(searchindex.ID(b.index.ID)))
		if there, err := q.IDs(ctx); err != nil || len(there) == 0 {
			return err
		}
		if err := s.settle(ctx, b.outcomes); err != nil {
			return err
		}
		if err := s.tellSettled(ctx, b.outcomes); err != nil || len(wants) == 0 {
			return err
		}
		id := store.NewID("job")
		if err := s.assign(ctx, b.index.ID, id, wants); err != nil {
			return err
		}
		_, err := s.jobs.Enqueue(ctx, []job.Request{{
			ID: id, Owner: owner, Kind: jobspec.KindEmbed, Payload: payload, Subject: b.index.ID, Parent: b.index.ID, Lane: jobspec.LaneBulk,
		}})
		return err
	})
}

// tellSettled tells the processes of objects whose vectors are others now.
func (s *Service) tellSettled(ctx context.Context, outcomes []outcome) error {
	return s.log.Append(ctx, settled(outcomes)...)
}
