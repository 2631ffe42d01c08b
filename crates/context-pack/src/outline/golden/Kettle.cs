using System;

namespace Kitchen
{
    public interface IHeater
    {
        bool Heat(int by);
    }

    public sealed class Kettle : IHeater
    {
        public int Degrees { get; private set; }

        public Kettle(int degrees)
        {
            Degrees = degrees;
        }

        public bool Heat(int by)
        {
            Degrees += by;
            return Degrees >= 100;
        }
    }
}
