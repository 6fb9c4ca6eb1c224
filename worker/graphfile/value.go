package graphfile

// Value is an input or output of a graph.
type Value struct {
	Name string
	// Type is the number of the elements' type in TensorProto.DataType, 0 where it is no
	// tensor or the file does not say.
	Type int
	// Shape has -1 for what the file leaves open. Shaped is false where the file says
	// nothing of it; a scalar has a shape without dimensions.
	Shape  []int64
	Shaped bool
}

// readPort keeps the ValueInfoProto of an input or output of the graph itself.
func (r *reader) readPort(f field, depth int) error {
	if depth > 0 {
		return nil
	}
	v, err := readValue(f.body)
	if err != nil {
		return err
	}
	if f.number == 11 {
		r.graph.Inputs = append(r.graph.Inputs, v)
	} else {
		r.graph.Outputs = append(r.graph.Outputs, v)
	}
	return nil
}

// inside calls visit for every field of the messages that a path of field numbers
// leads to.
func inside(m *message, path []int, visit func(field) error) error {
	return m.each(func(f field) error {
		switch {
		case len(path) == 0:
			return visit(f)
		case f.body != nil && f.number == path[0]:
			return inside(f.body, path[1:], visit)
		}
		return nil
	})
}

// readValue reads a ValueInfoProto.
func readValue(m *message) (v Value, err error) {
	err = m.each(func(f field) (err error) {
		switch {
		case f.body == nil:
		case f.number == 1:
			v.Name, err = f.body.text()
		case f.number == 2: // TypeProto, of which tensor_type
			err = inside(f.body, []int{1}, v.readTensorType)
		}
		return err
	})
	return v, err
}

// readTensorType reads a field of a TypeProto.Tensor.
func (v *Value) readTensorType(f field) error {
	switch {
	case f.number == 1 && f.body == nil:
		v.Type = int(f.value)
	case f.number == 2 && f.body != nil:
		v.Shaped = true
		return f.body.each(func(f field) error {
			if f.number != 1 || f.body == nil {
				return nil
			}
			dimension := int64(-1)
			err := f.body.each(func(f field) error {
				if f.number == 1 && f.body == nil {
					dimension = int64(f.value)
				}
				return nil
			})
			v.Shape = append(v.Shape, dimension)
			return err
		})
	}
	return nil
}
