package kettle

import "errors"

const Boiling = 100

type Kettle struct {
	Degrees int
}

type Heater interface {
	Heat(by int) error
}

var ErrDry = errors.New("dry")

func (k *Kettle) Heat(by int) error {
	k.Degrees += by
	return nil
}

func Pour(kettle *Kettle, cups int) bool {
	return cups > 0
}

type (
	Cup struct {
		Size int
	}
	Pourer interface {
		Pour(cups int) (left int, err error)
	}
)

const (
	Small = iota
	Large
)

var (
	ErrWet = errors.New("wet")
)
