package llama

import (
	"fmt"
	"math"
	"slices"
)

// graph collects the parts of a GraphProto.
type graph struct {
	size         Size
	precision    Precision
	nodes, ports []byte
	weights      []tensor
	count        int
}

// node adds a node of the standard operators and gives the name of its output.
func (g *graph) node(kind string, inputs []string, attributes ...any) string {
	g.count++
	out := fmt.Sprintf("%s_%d", kind, g.count)
	g.add("", kind, inputs, []string{out}, attributes...)
	return out
}

// add adds a node; attributes are names and values in turn.
func (g *graph) add(domain, kind string, inputs, outputs []string, attributes ...any) {
	var n []byte
	for _, in := range inputs {
		n = text(n, 1, in)
	}
	for _, out := range outputs {
		n = text(n, 2, out)
	}
	n = text(text(n, 3, "node_"+outputs[0]), 4, kind)
	for i := 0; i < len(attributes); i += 2 {
		n = field(n, 5, attribute(attributes[i].(string), attributes[i+1]))
	}
	if domain != "" {
		n = text(n, 7, domain)
	}
	g.nodes = field(g.nodes, 1, n)
}

// ints is a constant list of numbers, and integer one number.
func (g *graph) ints(numbers ...int64) string {
	name := fmt.Sprint("ints", numbers)
	return g.constant(values(name, typeInt64, []int64{int64(len(numbers))}, numbers))
}

func (g *graph) integer(number int64) string {
	return g.constant(values(fmt.Sprint("int", number), typeInt64, nil, []int64{number}))
}

func (g *graph) float(number float32) string {
	return g.constant(values(fmt.Sprint("float", number), typeFloat, nil, []float32{number}))
}

func (g *graph) constant(t tensor) string {
	if !slices.ContainsFunc(g.weights, func(w tensor) bool { return w.name == t.name }) {
		g.weights = append(g.weights, t)
	}
	return t.name
}

// linear is x times random weights, so scaled that the outcome is as wide as x.
func (g *graph) linear(x, name string, in, out int) string {
	if g.precision == Full {
		return g.node("MatMul", []string{x, g.constant(normal(name, 1.3/math.Sqrt(float64(in)), int64(in), int64(out)))})
	}
	blocks := int64(in / block)
	numbers := g.constant(nibbles(name, int64(out), blocks, block/2))
	// Numbers from 0 to 15 about 8 deviate by 4.6.
	scales := slices.Repeat([]float32{float32(1.3 / math.Sqrt(float64(in)) / 4.6)}, out*in/block)
	g.count++
	y := fmt.Sprintf("MatMulNBits_%d", g.count)
	g.add("com.microsoft", "MatMulNBits", []string{x, numbers, g.constant(values(name+".scales", typeFloat, []int64{int64(out) * blocks}, scales))}, []string{y},
		"K", in, "N", out, "bits", 4, "block_size", block, "accuracy_level", 4)
	return y
}

// norm is Llama's: divided by the root of the mean square.
func (g *graph) norm(x, name string) string {
	square := g.node("Pow", []string{x, g.float(2)})
	mean := g.node("ReduceMean", []string{square, g.ints(-1)}, "keepdims", 1)
	root := g.node("Sqrt", []string{g.node("Add", []string{mean, g.float(1e-5)})})
	ones := g.constant(values(name, typeFloat, []int64{int64(g.size.Width)}, slices.Repeat([]float32{1}, g.size.Width)))
	return g.node("Mul", []string{ones, g.node("Div", []string{x, root})})
}

// angles are cosines and sines of the rotary positions, width of them for each.
func (g *graph) angles(width int) (cos, sin string) {
	half := g.size.head() / 2
	c, s := make([]float32, 0, g.size.Positions*width), make([]float32, 0, g.size.Positions*width)
	for at := range g.size.Positions {
		for i := range width {
			angle := float64(at) / math.Pow(10000, float64(i%half)/float64(half))
			c, s = append(c, float32(math.Cos(angle))), append(s, float32(math.Sin(angle)))
		}
	}
	dims := []int64{int64(g.size.Positions), int64(width)}
	return g.constant(values("cos", typeFloat, dims, c)), g.constant(values("sin", typeFloat, dims, s))
}

// body adds everything but the attention itself, which attend does: from what a layer
// reads to what is multiplied with the output weights.
func (g *graph) body(attend func(x string, layer int) string) {
	s := g.size
	x := g.node("Gather", []string{g.constant(normal("embedding", 0.6, int64(s.Vocabulary), int64(s.Width))), "input_ids"})
	for l := range s.Layers {
		weight := func(name string) string { return fmt.Sprintf("layers.%d.%s", l, name) }
		a := attend(g.norm(x, weight("input_norm")), l)
		x = g.node("Add", []string{x, g.linear(a, weight("o_proj"), s.Width, s.Width)})
		n := g.norm(x, weight("post_norm"))
		gate := g.linear(n, weight("gate_proj"), s.Width, s.Inner)
		silu := g.node("Mul", []string{gate, g.node("Sigmoid", []string{gate})})
		inner := g.node("Mul", []string{silu, g.linear(n, weight("up_proj"), s.Width, s.Inner)})
		x = g.node("Add", []string{x, g.linear(inner, weight("down_proj"), s.Inner, s.Width)})
		for _, part := range []string{"key", "value"} {
			g.input(fmt.Sprintf("past_key_values.%d.%s", l, part), typeFloat, "batch_size", s.KeyHeads, "past_sequence_length", s.head())
			g.output(fmt.Sprintf("present.%d.%s", l, part), "batch_size", s.KeyHeads, "total_sequence_length", s.head())
		}
	}
	logits := g.linear(g.norm(x, "norm"), "lm_head", s.Width, s.Vocabulary)
	g.add("", "Identity", []string{logits}, []string{"logits"})
	g.output("logits", "batch_size", "sequence_length", s.Vocabulary)
	g.input("input_ids", typeInt64, "batch_size", "sequence_length")
	g.input("attention_mask", typeInt64, "batch_size", "total_sequence_length")
}

func (g *graph) input(name string, kind int64, dims ...any) {
	g.ports = field(g.ports, 11, port(name, kind, dims...))
}

func (g *graph) output(name string, dims ...any) {
	g.ports = field(g.ports, 12, port(name, typeFloat, dims...))
}

// project gives queries, keys and values of a layer.
func (g *graph) project(x string, layer int) (q, k, v string) {
	s := g.size
	weight := func(name string) string { return fmt.Sprintf("layers.%d.%s", layer, name) }
	return g.linear(x, weight("q_proj"), s.Width, s.Width), g.linear(x, weight("k_proj"), s.Width, s.KeyHeads*s.head()),
		g.linear(x, weight("v_proj"), s.Width, s.KeyHeads*s.head())
}

// shared makes the graph of GroupQueryAttention, whose lengths come from the mask as in
// the graphs of ONNX Runtime's model builder.
func (g *graph) shared() {
	s := g.size
	sum := g.node("ReduceSum", []string{"attention_mask", g.ints(1)}, "keepdims", 0)
	lengths := g.node("Cast", []string{g.node("Sub", []string{sum, g.integer(1)})}, "to", typeInt32)
	total := g.node("Gather", []string{g.node("Shape", []string{"attention_mask"}), g.integer(1)}, "axis", 0)
	total = g.node("Cast", []string{total}, "to", typeInt32)
	cos, sin := g.angles(s.head() / 2)
	g.body(func(x string, layer int) string {
		q, k, v := g.project(x, layer)
		out := fmt.Sprintf("attention_%d", layer)
		cache := func(kind, part string) string { return fmt.Sprintf("%s.%d.%s", kind, layer, part) }
		g.add("com.microsoft", "GroupQueryAttention",
			[]string{q, k, v, cache("past_key_values", "key"), cache("past_key_values", "value"), lengths, total, cos, sin},
			[]string{out, cache("present", "key"), cache("present", "value")},
			"num_heads", s.Heads, "kv_num_heads", s.KeyHeads, "do_rotary", 1)
		return out
	})
}

// concatenated makes the graph that Optimum exports: every step makes caches that are a
// position longer.
func (g *graph) concatenated() {
	s := g.size
	g.input("position_ids", typeInt64, "batch_size", "sequence_length")
	table, sines := g.angles(s.head())
	cos := g.node("Unsqueeze", []string{g.node("Gather", []string{table, "position_ids"}), g.ints(1)})
	sin := g.node("Unsqueeze", []string{g.node("Gather", []string{sines, "position_ids"}), g.ints(1)})
	bias := g.causal()
	g.body(func(x string, layer int) string {
		q, k, v := g.project(x, layer)
		q, k, v = g.heads(q, s.Heads), g.heads(k, s.KeyHeads), g.heads(v, s.KeyHeads)
		q, k = g.rotate(q, cos, sin), g.rotate(k, cos, sin)
		join := func(part, now string) string {
			present := fmt.Sprintf("present.%d.%s", layer, part)
			g.add("", "Concat", []string{fmt.Sprintf("past_key_values.%d.%s", layer, part), now}, []string{present}, "axis", 2)
			return g.repeat(present)
		}
		keys, all := join("key", k), join("value", v)
		scores := g.node("MatMul", []string{q, g.node("Transpose", []string{keys}, "perm", []int64{0, 1, 3, 2})})
		scores = g.node("Mul", []string{scores, g.float(float32(1 / math.Sqrt(float64(s.head()))))})
		shares := g.node("Softmax", []string{g.node("Add", []string{scores, bias})}, "axis", -1)
		out := g.node("Transpose", []string{g.node("MatMul", []string{shares, all})}, "perm", []int64{0, 2, 1, 3})
		return g.node("Reshape", []string{out, g.ints(0, 0, int64(s.Width))})
	})
}

// causal is what is added to scores: nothing where a position may be looked at.
func (g *graph) causal() string {
	length := func(of string) string {
		return g.node("Gather", []string{g.node("Shape", []string{of}), g.integer(1)}, "axis", 0)
	}
	total := length("attention_mask")
	past := g.node("Sub", []string{total, length("input_ids")})
	queries := g.node("Unsqueeze", []string{g.node("Range", []string{past, total, g.integer(1)}), g.ints(1)})
	keys := g.node("Range", []string{g.integer(0), total, g.integer(1)})
	before := g.node("LessOrEqual", []string{keys, queries})
	mask := g.node("Unsqueeze", []string{g.node("Cast", []string{"attention_mask"}, "to", typeBool), g.ints(1, 2)})
	return g.node("Where", []string{g.node("And", []string{mask, before}), g.float(0), g.float(-math.MaxFloat32)})
}

// heads makes [rows, heads, positions, width of a head] of [rows, positions, all].
func (g *graph) heads(x string, n int) string {
	x = g.node("Reshape", []string{x, g.ints(0, 0, int64(n), int64(g.size.head()))})
	return g.node("Transpose", []string{x}, "perm", []int64{0, 2, 1, 3})
}

// rotate turns the halves of each head by the angles of their positions.
func (g *graph) rotate(x, cos, sin string) string {
	half, all := int64(g.size.head()/2), int64(g.size.head())
	first := g.node("Slice", []string{x, g.ints(0), g.ints(half), g.ints(3)})
	second := g.node("Slice", []string{x, g.ints(half), g.ints(all), g.ints(3)})
	turned := g.node("Concat", []string{g.node("Neg", []string{second}), first}, "axis", 3)
	return g.node("Add", []string{g.node("Mul", []string{x, cos}), g.node("Mul", []string{turned, sin})})
}

// repeat gives every query head its keys.
func (g *graph) repeat(x string) string {
	s := g.size
	x = g.node("Unsqueeze", []string{x, g.ints(2)})
	x = g.node("Expand", []string{x, g.ints(1, 1, int64(s.Heads/s.KeyHeads), 1, 1)})
	return g.node("Reshape", []string{x, g.ints(0, int64(s.Heads), -1, int64(s.head()))})
}
