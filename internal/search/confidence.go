package search

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/auth"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/search/lexicon"
	"parley/internal/search/ranking"
)

// Numbers of a calibration.
const (
	// backgroundSize is how many stickers taken at random a query is compared with, to
	// know how far a hit stands out.
	backgroundSize = 200
	// calibratedBy is the most queries that a calibration learns from.
	calibratedBy = 1000
	// judgedHits is how many of the first hits are looked at for the confidence of an
	// answer.
	judgedHits = 5
)

// judge holds the calibration for the model that answers.
type judge struct {
	mu sync.RWMutex
	// calibration is nil while there are too few judgements; generation is that of the
	// cosines it learnt from, revision that of the votes.
	calibration *ranking.Calibration
	generation  string
	revision    int64
	// learnt counts calibrations.
	learnt atomic.Int64
	// background are the vectors of some stickers of the generation.
	background [][]float32
}

// Run learns from the votes how far answers can be trusted, whenever there are new ones or
// another model answers, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ctx = auth.System(ctx, "search.follow")
	tick := time.NewTicker(s.CalibrateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.Calibrate(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("the confidence of searches was not calibrated, it is tried again", "error", err)
		}
	}
}

// Calibrate learns from the votes, where there are new ones or another model answers.
func (s *Service) Calibrate(ctx context.Context) error {
	g, ok := s.Vectors.Active()
	revision := s.Opinions.revision.Load()
	s.judge.mu.RLock()
	same := s.judge.revision == revision && ok && s.judge.generation == g.ID
	s.judge.mu.RUnlock()
	if !ok || same {
		return nil
	}
	background, err := s.sampleOf(ctx, g)
	if err != nil {
		return err
	}
	var examples []ranking.Example
	for _, q := range s.Opinions.some(calibratedBy) {
		some, err := s.examples(ctx, g, background, q)
		if err != nil {
			return err
		}
		examples = append(examples, some...)
	}
	learnt, _ := ranking.Calibrate(examples)
	s.judge.mu.Lock()
	defer s.judge.mu.Unlock()
	s.judge.calibration, s.judge.generation, s.judge.revision, s.judge.background = learnt, g.ID, revision, background
	s.judge.learnt.Add(1)
	return nil
}

func (s *Service) sampleOf(ctx context.Context, g *indexing.Generation) (vectors [][]float32, err error) {
	for _, id := range s.Shelf.sample(backgroundSize) {
		v, ok, err := g.Vector(ctx, SourceStickers, indexing.Words, id)
		if err != nil {
			return nil, err
		}
		if ok {
			vectors = append(vectors, v)
		}
	}
	return vectors, nil
}

// examples are the public stickers that people judged for a query.
func (s *Service) examples(ctx context.Context, g *indexing.Generation, background [][]float32, q feedback.Judgement) ([]ranking.Example, error) {
	vector, ok, err := g.Vector(ctx, SourceQueries, indexing.Words, q.ID)
	if !ok || err != nil {
		return nil, err
	}
	spread := spreadOf([][]float32{vector}, background)
	words := lexicon.Words(q.Query)
	counts, most := map[string]float64{}, 0.0
	s.Shelf.read(viewer{}, func(_ map[string]*card, all []*lexicon.Lexicon) {
		most = all[0].Most(words)
		for _, h := range all[0].Search(words, false) {
			counts[h.ID] = h.Score
		}
	})
	var examples []ranking.Example
	for _, score := range q.Scores {
		if score.Owner != "" || score.Positives == score.Negatives {
			continue
		}
		cosine := -1.0
		for _, side := range []indexing.Side{indexing.Words, indexing.Picture} {
			v, ok, err := g.Vector(ctx, SourceStickers, side, score.StickerID)
			if err != nil {
				return nil, err
			}
			if ok {
				cosine = max(cosine, dot(vector, v))
			}
		}
		if cosine > -1 {
			examples = append(examples, ranking.Example{Features: spread.features(cosine, counts[score.StickerID], most), Fits: score.Positives > score.Negatives})
		}
	}
	return examples, nil
}

// spread is how near things taken at random are to a query, by the nearer one of its vectors.
type spread struct{ mean, deviation float64 }

func spreadOf(vectors, background [][]float32) (s spread) {
	if len(background) == 0 {
		return spread{0, 1}
	}
	squares, n := 0.0, float64(len(background))
	for _, v := range background {
		c := -1.0
		for _, one := range vectors {
			c = max(c, dot(one, v))
		}
		s.mean += c / n
		squares += c * c / n
	}
	s.deviation = math.Sqrt(max(squares-s.mean*s.mean, 1e-6))
	return s
}

func (s spread) features(cosine, words, most float64) ranking.Features {
	f := ranking.Features{Cosine: cosine, Deviation: (cosine - s.mean) / s.deviation}
	if most > 0 {
		f.Words = min(1, words/most)
	}
	return f
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// trust gives the chance that one of the first hits of an answer fits, nil where no
// calibration tells. What people said of a hit counts where it is more.
func (s *Service) trust(hits []ranked, t *target, v viewer, signs evidence) *float64 {
	if t.generation == nil || len(hits) == 0 {
		return nil
	}
	s.judge.mu.RLock()
	calibration, background := s.judge.calibration, s.judge.background
	if s.judge.generation != t.generation.ID {
		calibration = nil
	}
	s.judge.mu.RUnlock()
	if calibration == nil {
		return nil
	}
	spread := spreadOf(t.vectors, background)
	most, meant := 0.0, t.meant()
	s.Shelf.read(v, func(_ map[string]*card, all []*lexicon.Lexicon) {
		for _, l := range all {
			most = max(most, l.Most(meant))
		}
	})
	best := 0.0
	for _, h := range hits[:min(judgedHits, len(hits))] {
		chance := calibration.Confidence(spread.features(signs.cosines[h.ID], signs.words[h.ID], most))
		best = max(best, chance, signs.opinions[h.ID].Value)
	}
	return &best
}

// evidence is what speaks for hits, by their ids.
type evidence struct {
	cosines, words map[string]float64
	opinions       map[string]ranking.Opinion
}

func evidenceOf(s ranking.Signs, words []lexicon.Hit) evidence {
	e := evidence{map[string]float64{}, map[string]float64{}, s.Opinions}
	for _, n := range s.Near {
		e.cosines[n.ID] = n.Cosine
	}
	for _, h := range words {
		e.words[h.ID] = h.Score
	}
	return e
}
