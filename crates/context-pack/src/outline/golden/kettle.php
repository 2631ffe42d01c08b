<?php
namespace Kitchen;

interface Heater
{
    public function heat(int $by): bool;
}

final class Kettle implements Heater
{
    private int $degrees = 20;

    public function heat(int $by): bool
    {
        $this->degrees += $by;
        return $this->degrees >= 100;
    }
}

function pour(Kettle $kettle, int $cups): void
{
    echo $cups;
}
