package pipeline

// ScratchRow stands for a row of its own beside the others.
const ScratchRow = -1

// Move copies one row to another.
type Move struct{ To, From int }

// PlanMoves gives the copies after which row i holds what row parents[i] held,
// each row at most once and no row before everyone has read it. Rows that stay
// are not touched; a ring of rows goes through the scratch row.
func PlanMoves(parents []int) []Move {
	readers := map[int]int{}
	for i, p := range parents {
		if p != i {
			readers[p]++
		}
	}
	if len(readers) == 0 {
		return nil
	}
	moves := make([]Move, 0, len(parents))
	pending := make([]bool, len(parents))
	var ready []int
	for i, p := range parents {
		if p == i {
			continue
		}
		pending[i] = true
		if readers[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		p := parents[i]
		moves = append(moves, Move{i, p})
		pending[i] = false
		readers[p]--
		if readers[p] == 0 && p < len(parents) && pending[p] {
			ready = append(ready, p)
		}
	}
	// What is left are rings, in which every row has one reader.
	for start := range parents {
		if !pending[start] {
			continue
		}
		moves = append(moves, Move{ScratchRow, start})
		i := start
		for ; parents[i] != start; i = parents[i] {
			moves = append(moves, Move{i, parents[i]})
			pending[i] = false
		}
		moves = append(moves, Move{i, ScratchRow})
		pending[i] = false
	}
	return moves
}
